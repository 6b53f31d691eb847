"""The door that compiles the static programs: cached, checked, and honest about what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tare.runners.errors import TareError
from tare.runners.native import build as module
from tare.runners.native.build import build, compiled_beforehand

if TYPE_CHECKING:
    from pathlib import Path

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))),
    reason="no C compiler: apt-get install gcc linux-libc-dev",
)

PROGRAM = """
#include "sys.h"
static u8 stack[4096] __attribute__((aligned(16)));
static int child(void *said) { *(int *)said = 7; return 5; }
int tare_main(int argc, char **argv, char **envp)
{
    (void)envp;
    int said = 0, status = 0;
    long pid = argc == 2 ? clone_call(CLONE_VM | CLONE_VFORK | SIGCHLD, stack + sizeof stack, child, &said) : 0;
    if (argc == 3) {
        struct clone_args args = {.flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD};
        args.stack = (u64)stack;
        args.stack_size = sizeof stack;
        pid = clone3_call(&args, sizeof args, child, &said);
    }
    sys_wait4((int)pid, &status, 0, 0);
    char line[24], *end = line + sizeof line;
    char *at = put_error(line, end, argv[1], -parse_number("2x", 0));
    at = put_number(put_text(at, end, " "), end, (u64)(said * 10 + (status >> 8)));
    sys_write(1, line, (size_t)(at - line));
    return born_ns == 0 || now_ns() < born_ns;
}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "program.c"
    path.write_text(PROGRAM)
    return path


@pytest.fixture
def no_zig(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def output(program: Path, *arguments: str) -> bytes:
    return subprocess.run([program, *arguments], check=True, capture_output=True).stdout


@needs_compiler
def test_a_program_starts_clones_and_formats(source, tmp_path):
    said: list[str] = []
    program = build(source, tmp_path / "cache", progress=said.append)
    assert output(program, "open") == b"open: ENOENT 75"
    assert output(program, "open", "3") == b"open: ENOENT 75"
    assert output(program, "a text longer than the line") == b"a text longer than the "
    assert output(program, "--self-check") == module.SELF_CHECK
    assert said == [f"compiling program.c with {said[0].split()[-1]}"]


@needs_compiler
def test_it_is_compiled_once_and_again_when_a_source_changes(source, tmp_path):
    said: list[str] = []
    first = build(source, tmp_path, progress=said.append)
    stamp = first.stat().st_mtime_ns
    assert build(source, tmp_path, progress=said.append) == first
    assert first.stat().st_mtime_ns == stamp
    assert len(said) == 1
    (source.parent / "beside.h").write_text("/* changes what may be included */")
    assert build(source, tmp_path, progress=said.append) != first
    assert len(said) == 2


@needs_compiler
def test_the_same_bytes_wherever_it_is_built(source, tmp_path):
    moved = tmp_path / "elsewhere" / "program.c"
    moved.parent.mkdir()
    shutil.copy(source, moved)
    one, two = build(source, tmp_path / "a"), build(moved, tmp_path / "b")
    assert one.read_bytes() == two.read_bytes()
    assert str(tmp_path).encode() not in one.read_bytes()


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("damage", ["flip", "cut", "no sidecar", "sidecar"])
def test_a_damaged_cache_is_noticed_and_rebuilt(source, tmp_path, damage):
    program = build(source, tmp_path)
    whole = program.read_bytes()
    sidecar = program.with_name(program.name + ".sha256")
    if damage == "flip":
        program.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "cut":
        program.write_bytes(whole[:100])
    elif damage == "no sidecar":
        sidecar.unlink()
    else:
        sidecar.write_bytes(b"\xff half")
    said: list[str] = []
    assert build(source, tmp_path, progress=said.append).read_bytes() == whole
    assert len(said) == 1


@needs_compiler
def test_nothing_but_programs_and_their_hashes_stays_behind(source, tmp_path):
    program = build(source, tmp_path / "cache")
    assert {path.name for path in program.parent.iterdir()} == {program.name, program.name + ".sha256"}


@needs_compiler
@pytest.mark.parametrize("change", ["damaged", "other source"])
def test_what_was_compiled_already_needs_no_compiler(source, tmp_path, monkeypatch, no_zig, change):
    program = build(source, tmp_path)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build(source, tmp_path) == program
    if change == "damaged":
        program.write_bytes(b"damaged")
    else:
        source.write_text(source.read_text() + "\n")
    with pytest.raises(TareError, match="neither cc"):
        build(source, tmp_path)


def test_no_compiler_is_told_with_the_remedy(source, tmp_path, monkeypatch, no_zig):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TareError, match=r"neither cc.*apt-get install gcc.*tarebench\[zig\]"):
        build(source, tmp_path)


@needs_compiler
def test_a_source_error_is_told(tmp_path, no_zig):
    source = tmp_path / "broken.c"
    source.write_text("int tare_main(void) { return nonsense; }")
    with pytest.raises(TareError, match="nonsense"):
        build(source, tmp_path)
    assert not [path for path in (tmp_path / "native").iterdir() if path.is_file()]


def fake_compiler(tmp_path: Path, body: str) -> str:
    """Put a compiler onto the path that does as the script says, where `$out` is what it should make."""
    path = tmp_path / "bin" / "fake-cc"
    path.parent.mkdir()
    path.write_text(f"""#!/bin/sh
test "$1" = --version && echo fake 1.0 && exit
while test "$1" != -o; do shift; done
out=$2
{body}
""")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("echo text > $out; chmod 755 $out", "no ELF program"),
        ("cp /bin/sh $out", "not static"),
        ("echo 'error: no headers' >&2; exit 1", "error: no headers"),
        ("exit 3", "it failed silently"),
    ],
)
def test_what_a_broken_compiler_makes_is_not_taken(source, tmp_path, monkeypatch, no_zig, body, complaint):
    monkeypatch.setenv("CC", fake_compiler(tmp_path, body))
    monkeypatch.setattr("shutil.which", lambda name: name if name.endswith("fake-cc") else None)
    with pytest.raises(TareError, match=complaint):
        build(source, tmp_path)


@needs_compiler
def test_a_compiler_that_fails_is_followed_by_the_next(source, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", fake_compiler(tmp_path, "exit 1"))
    said: list[str] = []
    program = build(source, tmp_path, progress=said.append)
    assert output(program, "open") == b"open: ENOENT 75"
    assert len(said) == 2


def test_an_unknown_architecture_is_told(source, tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    with pytest.raises(TareError, match="this machine is vax"):
        build(source, tmp_path)


def test_a_folder_that_starts_no_programs_is_told_before_compilers_are_blamed(source, tmp_path, monkeypatch):
    status = os.statvfs(tmp_path)
    fields = [*status]
    fields[8] |= os.ST_NOEXEC
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(fields))
    with pytest.raises(TareError, match=r"noexec.*Set TARE_CACHE"):
        build(source, tmp_path)


def test_a_folder_that_cannot_be_made_is_told(source, tmp_path):
    (tmp_path / "native").touch()
    with pytest.raises(TareError, match="Set TARE_CACHE"):
        build(source, tmp_path)


@needs_compiler
def test_what_was_compiled_beforehand_needs_no_compiler_until_the_source_changes(
    source, tmp_path, monkeypatch, no_zig
):
    monkeypatch.setattr(module, "COMPILED", str(tmp_path / "lib"))
    place, program = compiled_beforehand(source, tmp_path / "cache")
    assert place.startswith(f"{tmp_path}/lib/")
    (tmp_path / "lib").mkdir()
    shutil.copy(program, place)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert str(build(source, tmp_path / "other")) == place
    source.write_text(source.read_text() + "\n")
    with pytest.raises(TareError, match="neither cc, gcc, clang nor ziglang"):
        build(source, tmp_path / "other")
