"""Closures over hand-made ELF files: search order, links, alternatives, what is missing."""

import contextlib
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.runners.errors import TareError
from tare.runners.provision.elf import Libraries, inside, is_elf, read_elf

DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_RPATH, DT_RUNPATH = 1, 5, 10, 15, 29


def elf(needed=(), *, interpreter="", runpath="", rpath="", machine=62) -> bytes:
    """A 64-bit ELF file of program headers alone: PT_LOAD over all of it, PT_INTERP, PT_DYNAMIC."""
    strings, tags = b"\0", []
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

    def header(kind, offset, size):
        return struct.pack("<IIQQQQQQ", kind, 4, offset, offset, offset, size, size, 8)

    headers = [header(1, 0, total), header(2, where_tags, 16 * len(tags))]
    if interpreter:
        headers.append(header(3, where_name, len(name)))
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    front = ident + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0)
    body = (front + b"".join(headers) + name + strings).ljust(where_tags, b"\0")
    return body + b"".join(struct.pack("<QQ", *tag) for tag in tags)


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    (tmp_path / "usr/lib64").mkdir()
    (tmp_path / "usr/bin").mkdir()
    for name in ("lib", "lib64", "bin"):
        (tmp_path / name).symlink_to(f"usr/{name}")
    return tmp_path


MULTIARCH = "/usr/lib/x86_64-linux-gnu"
LOADER = "/lib64/ld-linux-x86-64.so.2"


def put(root: Path, path: str, content: bytes) -> None:
    (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    (root / path.lstrip("/")).write_bytes(content)


def closure(root: Path, program="/usr/bin/p", **options):
    return Libraries(root, "x86_64").closure(program, **options)


def test_transitive_through_the_usual_directories(root):
    put(root, f"{MULTIARCH}/ld-linux-x86-64.so.2", elf())
    (root / "usr/lib64/ld-linux-x86-64.so.2").symlink_to("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    put(root, "/usr/bin/p", elf(["liba.so"], interpreter=LOADER))
    put(root, f"{MULTIARCH}/liba.so", elf(["libb.so", "liba.so"]))
    put(root, "/usr/lib64/libb.so", elf(["liba.so"]))
    found = closure(root)
    assert found.interpreter == f"{MULTIARCH}/ld-linux-x86-64.so.2"
    assert found.libraries == (f"{MULTIARCH}/liba.so", "/usr/lib64/libb.so")
    assert found.missing == ()


def test_static_programs_have_none(root):
    put(root, "/usr/bin/p", elf())
    assert closure(root).interpreter == ""
    assert closure(root).libraries == ()


def test_missing_is_told_once(root):
    put(root, "/usr/bin/p", elf(["nowhere.so", "nowhere.so"], interpreter=LOADER))
    assert closure(root).missing == ("nowhere.so",)


@pytest.mark.parametrize("kind", ["runpath", "rpath"])
@pytest.mark.parametrize("origin", ["$ORIGIN/../lib/own", "${ORIGIN}/../lib/own", "/usr/lib/own"])
def test_own_directories_come_first(root, kind, origin):
    put(root, "/usr/bin/p", elf(["liba.so"], interpreter=LOADER, **{kind: f"/nonexistent:{origin}"}))
    put(root, "/usr/lib/own/liba.so", elf(["libc2.so"]))
    put(root, "/usr/lib/own/libc2.so", elf())
    put(root, f"{MULTIARCH}/liba.so", elf())
    assert closure(root).libraries == ("/usr/lib/own/liba.so", "/usr/lib/own/libc2.so")


def test_configured_directories(root):
    put(root, "/etc/ld.so.conf", b"include /etc/ld.so.conf.d/*.conf\n")
    put(root, "/etc/ld.so.conf.d/own.conf", b"# a comment\n/opt/own  # and another\n")
    put(root, "/usr/bin/p", elf(["liba.so"], interpreter=LOADER))
    put(root, "/opt/own/liba.so", elf())
    assert closure(root).libraries == ("/opt/own/liba.so",)


def test_a_configuration_that_includes_itself_ends(root):
    put(root, "/etc/ld.so.conf", b"include ld.so.conf\n/opt/own\n")
    put(root, "/usr/bin/p", elf(["liba.so"], interpreter=LOADER))
    put(root, "/opt/own/liba.so", elf())
    assert closure(root).libraries == ("/opt/own/liba.so",)


def test_other_machines_libraries_are_passed_over(root):
    put(root, "/usr/bin/p", elf(["liba.so"], interpreter=LOADER))
    put(root, f"{MULTIARCH}/liba.so", elf(machine=183))
    put(root, "/usr/lib64/liba.so", b"no ELF at all")
    put(root, "/usr/lib/liba.so", elf())
    assert closure(root).libraries == ("/usr/lib/liba.so",)


def test_alternatives_whose_link_no_script_made(root):
    put(root, "/usr/bin/p", elf(["libblas.so.3"], interpreter=LOADER))
    put(root, f"{MULTIARCH}/blas/libblas.so.3", elf())
    assert closure(root).libraries == (f"{MULTIARCH}/blas/libblas.so.3",)


def test_extra_files_are_asked_too(root):
    put(root, "/usr/bin/p", elf(interpreter=LOADER))
    put(root, "/usr/lib/module.so", elf(["liba.so"], runpath="$ORIGIN/own"))
    put(root, "/usr/lib/own/liba.so", elf())
    assert closure(root, extra=["/usr/lib/module.so"]).libraries == ("/usr/lib/own/liba.so",)


def test_directories_by_how_much_is_in_them(root):
    put(root, "/usr/bin/p", elf(["liba.so", "libb.so", "libz.so"], interpreter=LOADER))
    for path in ("/usr/lib64/libz.so", f"{MULTIARCH}/liba.so", f"{MULTIARCH}/libb.so"):
        put(root, path, elf())
    assert closure(root).directories == (MULTIARCH, "/usr/lib64")


def test_inside_follows_links_within_the_root(root):
    (root / "usr/bin/up").symlink_to("../../../../etc/x")
    (root / "usr/bin/absolute").symlink_to("/lib/y")
    assert inside(root, "/bin/up") == "/etc/x"
    assert inside(root, "bin/absolute/z") == "/usr/lib/y/z"
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        inside(root, "/a")


def test_reads_a_real_program():
    facts = read_elf(Path(sys.executable).resolve())
    assert facts.machine in {"x86_64", "aarch64"}


@given(st.integers(0, 400), st.binary(max_size=20))
def test_cut_and_damaged_files_are_refused_or_read(tmp_path_factory, cut, noise):
    path = tmp_path_factory.getbasetemp() / "damaged"
    content = elf(["liba.so"], interpreter=LOADER, runpath="/x")
    path.write_bytes(content[:cut] + noise + content[cut + len(noise) :] if noise else content[:cut])
    with contextlib.suppress(TareError):
        assert isinstance(read_elf(path).needed, tuple)


def test_is_elf(tmp_path):
    assert not is_elf(tmp_path / "absent")
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert not is_elf(tmp_path / "script")
