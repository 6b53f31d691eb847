"""Read what an ELF file needs to run, from files that nobody vouches for.

pyelftools does the reading. It trusts its input in ways that an external image could exploit: it follows counts of up
to 2⁶⁴ sections, reads a dynamic table and its strings until a terminator comes, and asks for as many bytes at once as a
header says. It reads for each of these, so :class:`_Budgeted` bounds them all.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import msgspec

from tare.results.said import say
from tare.results.storage.atomic import write_whole
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from elftools.elf.elffile import ELFFile

_known: dict[tuple[int, ...], Elf] = {}
"""Version of a file → its facts. A guest's QEMU has a hundred libraries, and they are asked for by several runners."""
_SETTLED_NS = 2_000_000_000
"""Age from which a file is remembered: one that changes twice within a tick of the kernel's clock looks unchanged."""

_KEPT = "elf-1.json"
"""File in the cache with the facts that earlier runs read; the number is the version of what is read, and how."""
_MOST_KEPT = 2000
"""Files whose facts are kept from run to run, those read last."""

_MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}
"""``e_machine`` of 64-bit little-endian files → name as ``uname -m`` has it."""

_MOST_READS = 20_000
"""Reads of one file. The system's own programs and libraries take up to 300."""
_MOST_BYTES_AT_ONCE = 4096
_MOST_SEGMENTS = 1000
"""Program headers of one file; also below ``PN_XNUM``, which would make a section header tell their number."""


class Elf(msgspec.Struct, frozen=True):
    """The part of an ELF file that its loader acts on."""

    interpreter: str = ""
    """Path of the loader; empty for static programs and for libraries."""
    needed: tuple[str, ...] = ()
    """Names of the libraries it needs, as written."""
    search: tuple[str, ...] = ()
    """Directories of ``DT_RUNPATH``, or of ``DT_RPATH`` if there is none, as written."""
    machine: str = ""
    """Architecture as ``uname -m`` names it; for others a name that equals none of these."""

    @property
    def static(self) -> bool:
        """True if the file needs no loader."""
        return not self.interpreter


@contextmanager
def remembered(cache: Path) -> Iterator[None]:
    """Take facts of unchanged files from earlier runs, and keep those that are read meanwhile for later ones.

    Loading pyelftools and reading a program with its libraries by it takes 40 ms. A file that cannot be used or written
    costs that time and nothing else.
    """
    kept = cache / _KEPT
    with suppress(OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        found = msgspec.json.decode(kept.read_bytes(), type=list[tuple[tuple[int, ...], Elf]])
        _known.update(found)
    before = len(_known)
    try:
        yield
    finally:
        if len(_known) > before:
            lasting = [*islice(reversed(_known.items()), _MOST_KEPT)][::-1]
            with suppress(OSError):
                write_whole(kept, msgspec.json.encode(lasting))


def is_elf(path: Path) -> bool:
    """Tell whether a file begins as ELF files do."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def read_elf(path: Path) -> Elf:
    """Read the dynamic facts of a file; of one for another kind of machine only which that is.

    Raises:
        TareError: it is not a readable ELF file.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            version = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            if version in _known:
                return _known[version]
            facts = _facts(_Budgeted(file))
            if time.time_ns() - status.st_ctime_ns > _SETTLED_NS:
                _known[version] = facts
            return facts
    # pyelftools raises whatever its parsers happen to raise on a damaged file: ELFError, ValueError, KeyError,
    # AssertionError, UnicodeDecodeError, …
    except Exception as error:
        raise TareError(say(
            "fetch.no_elf", "{path} cannot be read as a program: {error}.",
            path=path, error=str(error) or type(error).__name__,
        )) from error  # fmt: skip


class _Budgeted:
    """A file that refuses to be read more often, or by larger pieces, than a proper ELF file needs."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._reads = 0
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        """Read up to ``size`` bytes."""
        self._reads += 1
        if self._reads > _MOST_READS or not 0 <= size <= _MOST_BYTES_AT_ONCE:
            _refuse(say("elf.table", "one of its tables is impossibly large"))
        return self._file.read(size)


def _facts(file: _Budgeted) -> Elf:
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415 - takes 50 ms, and most runs read no ELF file

    elf = ELFFile(file)  # type: ignore[arg-type] # needs no more of a file than this
    name = _MACHINES.get(elf["e_machine"])
    if name is None or elf.elfclass != 64 or not elf.little_endian:
        return Elf(machine=f"{elf['e_machine']}, {elf.elfclass} bit")
    # Loaders look at segments alone; what sections say about the same may be a lie.
    elf.header["e_shoff"] = 0
    return _dynamic_facts(elf, name)


def _dynamic_facts(elf: ELFFile, machine: str) -> Elf:
    from elftools.elf.dynamic import DynamicSegment  # noqa: PLC0415 - as above
    from elftools.elf.segments import InterpSegment  # noqa: PLC0415

    if elf["e_phnum"] > _MOST_SEGMENTS:
        _refuse(say("elf.headers", "it has impossibly many program headers"))
    interpreter = ""
    texts: dict[str, list[str]] = {"DT_NEEDED": [], "DT_RUNPATH": [], "DT_RPATH": []}
    for segment in elf.iter_segments():
        if isinstance(segment, InterpSegment):
            interpreter = segment.get_interp_name()
        elif isinstance(segment, DynamicSegment):
            address, offset = segment.get_table_offset("DT_STRTAB")
            if address is not None and offset is None:
                _refuse(say("elf.strings", "its string table is nowhere"))
            for tag in segment.iter_tags() if offset is not None else ():
                if tag["d_tag"] in texts:
                    texts[tag["d_tag"]].append(getattr(tag, tag["d_tag"].removeprefix("DT_").lower()))
    search = ":".join(texts["DT_RUNPATH"] or texts["DT_RPATH"]).split(":")
    return Elf(interpreter, tuple(texts["DT_NEEDED"]), tuple(filter(None, search)), machine)


def _refuse(why: str) -> NoReturn:
    raise ValueError(why)
