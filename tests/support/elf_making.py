"""Make small ELF files by hand, as wrong as a test wants them."""

import struct
from collections.abc import Iterable

DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_RPATH, DT_RUNPATH = 1, 5, 10, 15, 29


def elf(
    needed: Iterable[str] = (),
    *,
    interpreter: str = "",
    runpath: str = "",
    rpath: str = "",
    machine: int = 62,
) -> bytes:
    """Make a 64-bit ELF file of program headers alone: PT_LOAD over all of it, PT_DYNAMIC, PT_INTERP."""
    strings = b"\0"
    tags: list[tuple[int, int]] = []
    for tag, text in [*((DT_NEEDED, each) for each in needed), (DT_RUNPATH, runpath), (DT_RPATH, rpath)]:
        if text:
            tags.append((tag, len(strings)))
            strings += text.encode() + b"\0"
    count = 2 + bool(interpreter)
    at = 64 + 56 * count
    name = interpreter.encode() + b"\0"
    where_name, where_strings = at, at + len(name)
    where_tags = -(-(where_strings + len(strings)) // 8) * 8
    tags += [(DT_STRTAB, where_strings), (DT_STRSZ, len(strings)), (0, 0)]
    total = where_tags + 16 * len(tags)

    def header(kind: int, offset: int, size: int) -> bytes:
        return struct.pack("<IIQQQQQQ", kind, 4, offset, offset, offset, size, size, 8)

    headers = [header(1, 0, total), header(2, where_tags, 16 * len(tags))]
    if interpreter:
        headers.append(header(3, where_name, len(name)))
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    front = ident + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0)
    body = (front + b"".join(headers) + name + strings).ljust(where_tags, b"\0")
    return body + b"".join(struct.pack("<QQ", *tag) for tag in tags)


def file_header(
    *,
    headers: int = 0,
    size: int = 56,
    at: int = 64,
    sections_at: int = 0,
    sections: int = 0,
    names: int = 0,
    machine: int = 62,
) -> bytes:
    """Make the header of an ELF file: number, size and place of its program headers, the same of its sections."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    return ident + struct.pack(
        "<HHIQQQIHHHHHH", 3, machine, 1, 0, at, sections_at, 0, 64, size, headers, 64, sections, names
    )


def program_header(kind: int, offset: int, size: int) -> bytes:
    """Make a program header; its address is its offset."""
    return struct.pack("<IIQQQQQQ", kind, 4, offset, offset, offset, size, size, 8)
