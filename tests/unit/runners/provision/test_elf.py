"""ELF files: what real ones need is read, and no damaged or hostile one hangs, floods or surprises."""

import contextlib
import shutil
import struct
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.elf_making import elf, file_header, program_header
from tare.runners.errors import TareError
from tare.runners.provision import elf as module
from tare.runners.provision.elf import Elf, is_elf, read_elf, remembered

LOADER = "/lib64/ld-linux-x86-64.so.2"


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


def read(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    return read_elf(tmp_path / "file")


def test_what_the_loader_acts_on_is_read(tmp_path):
    found = read(
        tmp_path, elf(["liba.so", "libb.so"], interpreter=LOADER, runpath="/x:$ORIGIN/y", rpath="/z")
    )
    assert found == Elf(LOADER, ("liba.so", "libb.so"), ("/x", "$ORIGIN/y"), "x86_64")
    assert not found.static
    assert read(tmp_path, elf(rpath="/z", machine=183)) == Elf(search=("/z",), machine="aarch64")


@pytest.mark.parametrize(("machine", "name"), [(8, "EM_MIPS, 64 bit"), (64999, "64999, 64 bit")])
def test_of_other_machines_only_the_name_is_read(tmp_path, machine, name):
    assert read(tmp_path, elf(["liba.so"], machine=machine)) == Elf(machine=name)


def test_another_class_is_another_machine(tmp_path):
    narrow = (
        b"\x7fELF\x01\x01\x01"
        + bytes(9)
        + struct.pack("<HHIIIIIHHHHHH", 3, 62, 1, 0, 0, 0, 0, 52, 0, 0, 0, 0, 0)
    )
    assert read(tmp_path, narrow) == Elf(machine="EM_X86_64, 32 bit")


def test_a_dynamic_table_without_strings_needs_nothing(tmp_path):
    tags = struct.pack("<4Q", 30, 8, 0, 0)
    assert read(tmp_path, file_header(headers=1) + program_header(2, 120, 32) + tags) == Elf(machine="x86_64")


def test_sections_are_not_believed(tmp_path):
    # Loaders do not look at them, so a file could tell tools something else by them.
    content = bytearray(elf(["liba.so"]))
    struct.pack_into("<QHHH", content, 40, 1 << 60, 0, 0, 0)
    struct.pack_into("<HHH", content, 58, 64, 7, 3)
    assert read(tmp_path, bytes(content)).needed == ("liba.so",)


MANY = 1 << 18
WIDE = program_header(1, 0, 1 << 40)
NEEDED = struct.pack("<2Q", 1, 0)
STRINGS = 64 + 2 * 56
SECTION = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, (1 << 64) - 1, 0, (1 << 32) - 1, 0, 0)
HOSTILE = {
    "tags that all name one long string": file_header(headers=2) + WIDE
    + program_header(2, STRINGS + MANY, 1 << 30) + b"a" * MANY + struct.pack("<2Q", 5, STRINGS) + NEEDED * MANY,
    "dynamic table without an end": file_header(headers=2) + WIDE + program_header(2, STRINGS, 1 << 60)
    + struct.pack("<2Q", 7, 0) * MANY,
    "loader's name without an end": file_header(headers=1) + program_header(3, 120, 1 << 60) + b"a" * (8 * MANY),
    "as many headers as can be": file_header(headers=65534, size=0) + program_header(2, 64, 10),
    "a number of headers that a section tells": file_header(headers=65535, sections_at=64, sections=1) + SECTION,
    "headers beyond the end": file_header(headers=10, at=(1 << 64) - 8),
    "headers that are too large": file_header(headers=900, size=65535) + bytes(100),
    "strings nowhere": file_header(headers=1) + program_header(2, 120, 48)
    + struct.pack("<6Q", 5, 1 << 50, 1, 0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_soon_and_in_little_memory(tmp_path, name):
    (tmp_path / "file").write_bytes(HOSTILE[name])
    tracemalloc.start()
    try:
        began = time.process_time()
        with pytest.raises(TareError, match=r"cannot be read as a program: .+"):
            read_elf(tmp_path / "file")
        assert time.process_time() - began < 5
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_more_sections_than_anybody_could_count_are_no_matter(tmp_path):
    content = file_header(headers=0, sections_at=64, sections=0, names=0xFFFF) + SECTION
    assert read(tmp_path, content) == Elf(machine="x86_64")


REAL = Path(shutil.which("env") or sys.executable).resolve().read_bytes()
(PROGRAM_HEADERS,) = struct.unpack_from("<Q", REAL, 32)
(COUNT,) = struct.unpack_from("<H", REAL, 56)
DYNAMIC = [
    struct.unpack_from("<Q", REAL, PROGRAM_HEADERS + 56 * index + 8)[0]
    for index in range(COUNT)
    if struct.unpack_from("<I", REAL, PROGRAM_HEADERS + 56 * index)[0] == 2
]
PLACES = [*range(4, 64), *range(PROGRAM_HEADERS, PROGRAM_HEADERS + 56 * COUNT)]
PLACES += [at for start in DYNAMIC for at in range(start, start + 400)]
VALUES = [0, 1, 3, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]
CHANGES = st.lists(
    st.tuples(st.sampled_from(PLACES), st.sampled_from(VALUES), st.sampled_from([1, 2, 4, 8])), max_size=4
)


@given(CHANGES, st.none() | st.integers(0, 8192))
def test_a_real_program_with_changed_headers_is_read_or_refused(tmp_path_factory, changes, cut):
    content = bytearray(REAL[:cut] if cut is not None else REAL)
    for at, value, width in changes:
        if at + width <= len(content):
            content[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(content)
    began = time.process_time()
    with contextlib.suppress(TareError):
        assert isinstance(read_elf(path).needed, tuple)
    assert time.process_time() - began < 5


def test_an_unchanged_file_is_read_once_and_a_changed_one_again(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(elf(["liba.so"]))
    read = []
    monkeypatch.setattr(module, "_facts", lambda _file: read.append(1) or Elf(needed=(str(len(read)),)))
    now = time.time_ns()
    assert [read_elf(path).needed, read_elf(path).needed] == [
        ("1",),
        ("2",),
    ]  # too new to be told from its next version
    monkeypatch.setattr(time, "time_ns", lambda: now + 10**10)
    assert [read_elf(path).needed, read_elf(path).needed] == [("3",), ("3",)]
    path.write_bytes(elf(["libb.so"]))
    assert read_elf(path).needed == ("4",)


def test_facts_are_kept_from_run_to_run_as_long_as_the_file_is_unchanged(tmp_path, monkeypatch):
    path, cache = tmp_path / "file", tmp_path / "cache"
    cache.mkdir()
    path.write_bytes(elf(["liba.so"]))
    later = time.time_ns() + 10**10
    monkeypatch.setattr(time, "time_ns", lambda: later)
    monkeypatch.setattr(module, "_known", {})
    with remembered(cache):
        first = read_elf(path)
    assert first.needed == ("liba.so",)
    monkeypatch.setattr(module, "_known", {})
    with monkeypatch.context() as patch, remembered(cache):
        patch.setattr(module, "_facts", lambda _file: pytest.fail("it was read anew"))
        assert read_elf(path) == first
    path.write_bytes(elf(["libb.so"]))
    monkeypatch.setattr(module, "_known", {})
    with remembered(cache):
        assert read_elf(path).needed == ("libb.so",)


@pytest.mark.parametrize("content", [b"", b"{", b"[[1, 2]]", b'[[["x"], {}]]', b"[" * 100_000])
def test_kept_facts_that_are_damaged_are_read_anew(tmp_path, monkeypatch, content):
    (tmp_path / module._KEPT).write_bytes(content)
    monkeypatch.setattr(module, "_known", {})
    path = tmp_path / "file"
    path.write_bytes(elf(["liba.so"]))
    with remembered(tmp_path):
        assert read_elf(path).needed == ("liba.so",)


def test_a_cache_that_cannot_be_written_and_an_error_meanwhile_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_known", {})

    def fail() -> None:
        with remembered(tmp_path / "absent"):
            module._known[1, 2] = Elf()
            read_elf(tmp_path / "nothing")

    with pytest.raises(TareError, match="nothing"):
        fail()


def test_only_the_facts_read_last_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_known", {})
    monkeypatch.setattr(module, "_MOST_KEPT", 2)
    with remembered(tmp_path):
        module._known.update({(number,): Elf(machine=str(number)) for number in range(5)})
    monkeypatch.setattr(module, "_known", {})
    with remembered(tmp_path):
        assert module._known == {(3,): Elf(machine="3"), (4,): Elf(machine="4")}
