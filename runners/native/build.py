"""Compile the small static programs (agent, launcher, …) on first use, and cache them by content hash.

The system's compiler takes a fifth of a second. Without a working one, ``ziglang`` from PyPI takes under a second, as
no libc has to be built first.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tare.results.said import listed, say
from tare.results.scratch import scratch_folder
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEADERS = Path(__file__).parent
COMPILED = "/usr/lib/tare"
"""Folder of programs that were compiled beforehand, in an image of Tare itself, which has no compiler."""
MACHINES = {"x86_64": 62, "aarch64": 183}
"""Architecture → ``e_machine`` in its ELF files (elf(5))."""
SELF_CHECK = b"tare-native\n"

_FLAGS = (
    *("-std=gnu11", "-Os", "-Wall", "-Wextra"),
    # No libc and no start files; sys.h defines the functions that the compiler itself may call.
    *("-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pie", "-no-pie"),
    *("-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-ident"),
    # The same bytes wherever and whenever it is compiled.
    *("-Wl,--build-id=none", "-s"),
)
# Fewer segments mean fewer mappings and page faults at start. zig's driver does not know these flags.
_GNU_FLAGS = ("-Wl,-z,noseparate-code", "-Wl,-z,norelro", "-Wl,-z,noexecstack")
_ZIG_FLAGS = ("-fno-sanitize=all",)


class _Compiler(msgspec.Struct, frozen=True):
    name: str
    command: tuple[str, ...]
    version: str
    flags: tuple[str, ...]

    @property
    def key(self) -> str:
        """Hash of everything but the sources that decides a program's bytes."""
        parts = (*self.command, *self.flags, self.version)
        return hashlib.sha256(b"".join(part.encode() + b"\0" for part in parts)).hexdigest()[:16]


def build(source: Path, cache: Path, *, progress: Callable[[str], None] | None = None) -> Path:
    """Compile a program, or take it from ``<cache>/native``; return its path.

    The program of the compiler that would be used is taken first. Where no compiler works, that of any other will do.

    Args:
        source: the C source.
        cache: the suite's cache folder.
        progress: gets a line before anything slow happens.

    Raises:
        TareError: no compiler here can compile it; the text has each one's complaint and the remedy.
    """
    arch = platform.machine()
    if arch not in MACHINES:
        raise TareError(say(
            "build.machines", "tare's agent is written for {machines}, and this machine is {arch}.",
            machines=" and ".join(MACHINES), arch=arch,
        ))  # fmt: skip
    name = _name(source, arch)
    beforehand = Path(COMPILED, name)
    if beforehand.is_file():
        return beforehand
    folder = cache / "native"
    _check_folder(folder)
    complaints = []
    for compiler in _compilers(arch):
        program = folder / f"{name}-{compiler.key}"
        if _intact(program):
            return program
        if progress:
            progress(
                say(
                    "progress.compiling",
                    "compiling {file} with {compiler}",
                    file=source.name,
                    compiler=compiler.name,
                )
            )
        complaint = _compile(source, program, compiler, arch)
        if not complaint:
            return program
        complaints.append(say("build.complaint", "{name}: {why}", name=compiler.name, why=complaint))
    for kept in sorted(folder.glob(f"{name}-*.sha256")):
        program = kept.with_suffix("")
        if _intact(program):
            return program
    tried = listed(complaints) or say("build.none", "there is neither cc, gcc, clang nor ziglang")
    raise TareError(say(
        "build.no_compiler",
        "Cannot compile {name} ({tried}). Install a compiler: `apt-get install gcc linux-libc-dev`, or `pip install 'tarebench[zig]'`.",
        name=source.name, tried=tried,
    ))  # fmt: skip


def compiled_beforehand(source: Path, cache: Path) -> tuple[str, Path]:
    """Compile a program for an image without a compiler.

    Returns:
        The path at which :func:`build` looks for it there, and the program here.

    Raises:
        TareError: as of :func:`build`.
    """
    program = build(source, cache)
    return f"{COMPILED}/{_name(source, platform.machine())}", program


def _check_folder(folder: Path) -> None:
    """Make the folder of the compiled programs.

    Raises:
        TareError: it cannot be made, or programs in it cannot be started.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        noexec = os.statvfs(folder).f_flag & os.ST_NOEXEC
    except OSError as error:
        raise TareError(say(
            "build.no_folder", "Cannot make {folder}: {strerror}. Set TARE_CACHE to another folder.",
            folder=folder, strerror=error.strerror,
        )) from error  # fmt: skip
    if noexec:
        raise TareError(say(
            "build.noexec",
            "{folder} is on a file system from which no program can be started (mounted noexec). Set TARE_CACHE to a folder on another one.",
            folder=folder,
        ))  # fmt: skip


def _compilers(arch: str) -> Iterator[_Compiler]:
    """Yield the compilers, best first; ``ziglang`` is called only after all others failed."""
    wanted = [os.environ["CC"]] if os.environ.get("CC") else []
    for name in [*wanted, "cc", "gcc", "clang"]:
        command = tuple(shlex.split(name))
        if command and shutil.which(command[0]):
            version = _version((*command, "--version"))
            if version:
                yield _Compiler(name, command, version, _FLAGS + _GNU_FLAGS)
    found = importlib.util.find_spec("ziglang")
    if found and found.submodule_search_locations:
        zig = (sys.executable, "-m", "ziglang")
        call = [*zig, "cc", "-target", f"{arch}-linux-musl"]
        # With -nostdlib zig does not find its kernel headers either.
        headers = Path(found.submodule_search_locations[0], "lib", "libc", "include")
        for name in (f"{arch.replace('x86_64', 'x86')}-linux-any", "any-linux-any"):
            call += ["-isystem", str(headers / name)]
        yield _Compiler("ziglang", tuple(call), _version((*zig, "version")), _FLAGS + _ZIG_FLAGS)


@functools.cache
def _version(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.decode(errors="replace")


def _name(source: Path, arch: str) -> str:
    """Name a program by everything that decides what it does: its sources and the architecture."""
    digest = hashlib.sha256(arch.encode() + b"\0")
    inputs = [source, *sorted(HEADERS.glob("*.h")), *sorted(source.parent.glob("*.h"))]
    for path in dict.fromkeys(inputs):
        content = path.read_bytes()
        digest.update(struct.pack("<Q", len(content)) + content)
    return f"{source.stem}-{digest.hexdigest()[:16]}"


def _intact(program: Path) -> bool:
    """Tell whether the cached program is unchanged since it was checked."""
    try:
        return hashlib.sha256(program.read_bytes()).hexdigest() == _sidecar(program).read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return False


def _sidecar(program: Path) -> Path:
    return program.with_name(program.name + ".sha256")


def _compile(source: Path, program: Path, compiler: _Compiler, arch: str) -> str:
    """Compile ``program``, completely or not at all; return what went wrong, or an empty text."""
    program.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder("build", program.parent) as temporary:
        made = Path(temporary, source.stem)
        command = [*compiler.command, *compiler.flags, "-I", str(HEADERS), "-o", str(made), str(source)]
        # Files that compilers leave behind stay in our cache.
        environ = os.environ | {"TMPDIR": str(temporary), "ZIG_GLOBAL_CACHE_DIR": str(program.parent / "zig")}
        try:
            done = subprocess.run(
                command, env=environ, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=600
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or [
                say("build.silent", "it failed silently")
            ]
            return next((line for line in lines if "error: " in line), lines[-1])
        complaint = _check(made, arch)
        if complaint:
            return complaint
        sidecar = Path(temporary, "sha256")
        sidecar.write_text(hashlib.sha256(made.read_bytes()).hexdigest(), "ascii")
        made.replace(program)
        sidecar.replace(_sidecar(program))
    return ""


def _check(program: Path, arch: str) -> str:
    """Check that a program is static, for this machine, and starts; return the complaint, or an empty text."""
    content = program.read_bytes()
    try:
        if _segment_types(content, arch) & {2, 3}:  # PT_DYNAMIC, PT_INTERP
            return say("build.not_static", "the program it made is not static")
    except (ValueError, struct.error) as error:
        return say("build.made_no_elf", "made no ELF program: {error}", error=error)
    try:
        done = subprocess.run(
            [program, "--self-check"],
            env={},
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return say("build.not_starting", "the program it made does not start: {error}", error=error)
    if done.returncode or done.stdout != SELF_CHECK:
        return say(
            "build.self_check",
            "the program it made fails its self-check (exit status {code})",
            code=done.returncode,
        )
    return ""


def _segment_types(content: bytes, arch: str) -> set[int]:
    """List the types of the program headers of a little-endian 64-bit ELF file, see elf(5)."""
    if content[:6] != b"\x7fELF\x02\x01":
        raise ValueError(say("build.no_elf", "no 64-bit little-endian ELF header"))
    machine = struct.unpack_from("<H", content, 18)[0]
    if machine != MACHINES[arch]:
        raise ValueError(
            say("build.machine", "it is for machine {machine}, not {arch}", machine=machine, arch=arch)
        )
    offset = struct.unpack_from("<Q", content, 32)[0]
    size, count = struct.unpack_from("<HH", content, 54)
    return {struct.unpack_from("<I", content, offset + i * size)[0] for i in range(count)}
