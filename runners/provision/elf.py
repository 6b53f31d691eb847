"""Which libraries a program needs, and where they are below a root.

Read from the ELF files themselves (elf(5), ld.so(8)) and not asked of the loader, because a root may be for
another C library, and running it would already need what is sought.
"""

from __future__ import annotations

import os
import platform
import struct
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LINKS_LIMIT = 40
"""As many links as the kernel follows in one path (path_resolution(7))."""

_MACHINES = {62: "x86_64", 183: "aarch64"}
"""``e_machine`` → as ``uname -m`` says it."""

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_RPATH, _DT_RUNPATH = 1, 5, 10, 15, 29

_LARGEST_PART = 16 << 20

_OPENED_LATER = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2")
"""What glibc itself opens by name when a thread is cancelled or a user is looked up."""


@dataclass(frozen=True, slots=True)
class Elf:
    """The dynamic facts of an ELF file."""

    interpreter: str = ""
    needed: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    """``DT_RUNPATH``, or ``DT_RPATH`` where there is none, as written."""
    machine: str = ""

    @property
    def static(self) -> bool:
        """It needs no loader."""
        return not self.interpreter


@dataclass(frozen=True, slots=True)
class Closure:
    """A program's loader and libraries, as paths *inside* the root with all links of directories resolved."""

    interpreter: str
    """Empty for static programs."""
    libraries: tuple[str, ...]
    """Sorted; the file name is the one that is asked for."""
    missing: tuple[str, ...] = ()
    """Names that are nowhere in the root."""

    @property
    def directories(self) -> tuple[str, ...]:
        """Where the libraries are: the loader's ``--library-path``, the most populous first."""
        counts: dict[str, int] = {}
        for library in self.libraries:
            parent = str(PurePosixPath(library).parent)
            counts[parent] = counts.get(parent, 0) + 1
        return tuple(sorted(counts, key=lambda each: (-counts[each], each)))


def is_elf(path: Path) -> bool:
    """Whether the file begins as ELF files do."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def read_elf(path: Path) -> Elf:
    """The dynamic facts of a file.

    Read by hand (elf(5)): an image has some 600 files to look at, and a general ELF library takes 5 ms for each.

    Raises:
        TareError: it is no readable ELF file.
    """
    try:
        with path.open("rb") as file:
            return _Reader(file).facts()
    except (OSError, ValueError, OverflowError, struct.error) as error:
        raise TareError(f"{path} cannot be read as a program: {error}.") from error


class _Reader:
    """The few parts of an ELF file that say what it needs."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        ident = self._at(0, 20)
        if ident[:4] != b"\x7fELF":
            raise ValueError("it does not begin as ELF files do")
        self._wide, little = ident[4] == 2, ident[5] == 1
        self._order = "<" if little else ">"
        number = self._unpack("H", ident[18:])[0]
        name = _MACHINES.get(number, f"ELF machine {number}")
        self.machine = name if self._wide and little else f"{name} (32 bit or big-endian)"

    def facts(self) -> Elf:
        """All of them; those of a machine that cannot be ours are only its name."""
        if self.machine not in _MACHINES.values():
            return Elf(machine=self.machine)
        interpreter, dynamic, loads = "", b"", []
        offset = self._unpack("Q", self._at(32, 8))[0]
        size, count = self._unpack("HH", self._at(54, 4))
        for index in range(count):
            header = self._unpack("IIQQQQ", self._at(offset + index * size, 40))
            kind, _flags, where, address, _physical, length = header
            if kind == _PT_LOAD:
                loads.append((address, where, length))
            elif kind == _PT_DYNAMIC:
                dynamic = self._at(where, length)
            elif kind == _PT_INTERP:
                interpreter = _text(self._at(where, length), 0)
        return self._dynamic(interpreter, dynamic, loads)

    def _dynamic(self, interpreter: str, dynamic: bytes, loads: list[tuple[int, int, int]]) -> Elf:
        tags: dict[int, list[int]] = {}
        for tag, value in struct.iter_unpack(f"{self._order}QQ", dynamic[: len(dynamic) // 16 * 16]):
            if tag == 0:
                break
            tags.setdefault(tag, []).append(value)
        strings = b""
        if _DT_STRTAB in tags and _DT_STRSZ in tags:
            address = tags[_DT_STRTAB][0]
            places = [
                where + address - start for start, where, size in loads if start <= address < start + size
            ]
            if not places:
                raise ValueError("its string table is nowhere")
            strings = self._at(places[0], tags[_DT_STRSZ][0])
        needed = tuple(_text(strings, at) for at in tags.get(_DT_NEEDED, []))
        search = tags.get(_DT_RUNPATH, tags.get(_DT_RPATH, []))
        directories = ":".join(_text(strings, at) for at in search).split(":")
        return Elf(interpreter, needed, tuple(filter(None, directories)), self.machine)

    def _at(self, offset: int, size: int) -> bytes:
        if size > _LARGEST_PART:
            raise ValueError("one of its tables is impossibly large")
        self._file.seek(offset)
        data = self._file.read(size)
        if len(data) != size:
            raise ValueError("it is cut short")
        return data

    def _unpack(self, form: str, data: bytes) -> tuple[int, ...]:
        return struct.unpack_from(self._order + form, data)


def _text(table: bytes, offset: int) -> str:
    end = table.find(b"\0", offset)
    if end < 0:
        raise ValueError("one of its names has no end")
    return os.fsdecode(table[offset:end])


def inside(root: Path, path: str) -> str:
    """Resolve all links of ``path`` as a process whose root is ``root`` would; the result starts with ``/``.

    Raises:
        OSError: the links lead in a circle.
    """
    pending = deque(PurePosixPath("/", path).parts[1:])
    done: list[str] = []
    links = 0
    while pending:
        part = pending.popleft()
        if part == "..":
            done[-1:] = []
            continue
        here = root.joinpath(*done, part)
        if not here.is_symlink():
            done.append(part)
            continue
        links += 1
        if links > _LINKS_LIMIT:
            raise OSError(40, "Too many levels of symbolic links", str(here))
        target = PurePosixPath(here.readlink())
        if target.is_absolute():
            done = []
        pending.extendleft(reversed([each for each in target.parts if each != "/"]))
    return "/" + "/".join(done)


@dataclass(slots=True)
class Libraries:
    """Finds libraries below one root, as its loader would."""

    root: Path
    machine: str = field(default_factory=platform.machine)
    _default: tuple[str, ...] = ()
    _everywhere: dict[str, str] | None = None
    _elfs: dict[str, Elf] = field(default_factory=dict)

    def closure(self, program: str, *, extra: Iterable[str] = ()) -> Closure:
        """The closure of a program, and of ``extra`` files that it opens by itself (paths inside the root)."""
        main = self.elf(program)
        interpreter = inside(self.root, main.interpreter) if main.interpreter else ""
        found: dict[str, str] = {}
        missing: set[str] = set()
        pending = deque(
            (name, self._own_directories(path))
            for path in (program, *extra)
            for name in self.elf(path).needed
        )
        if any("libc.so.6" in self.elf(path).needed for path in (program, *extra)):
            pending.extend((name, ()) for name in _OPENED_LATER)
        while pending:
            name, first = pending.popleft()
            if name in found or name in missing:
                continue
            place = self.find(name, first)
            if not place:
                if name not in _OPENED_LATER:
                    missing.add(name)
                continue
            found[name] = place
            # An inherited DT_RPATH is searched too: passing the parents' directories on covers it.
            inherited = tuple(dict.fromkeys((*self._own_directories(place), *first)))
            pending.extend((needed, inherited) for needed in self.elf(place).needed)
        return Closure(interpreter, tuple(sorted(set(found.values()))), tuple(sorted(missing)))

    def elf(self, path: str) -> Elf:
        """The facts of a file inside the root."""
        if path not in self._elfs:
            self._elfs[path] = read_elf(self._real(path))
        return self._elfs[path]

    def find(self, name: str, first: Iterable[str] = ()) -> str:
        """Where the library is, as a path inside the root; empty if it is nowhere."""
        if "/" in name:
            return inside(self.root, name) if self._fits(name) else ""
        for directory in (*first, *self._defaults()):
            candidate = f"{directory}/{name}"
            if self._fits(candidate):
                return f"{inside(self.root, directory)}/{name}"
        # Packages that choose among alternatives in scripts, which we do not run, leave no link.
        if self._everywhere is None:
            self._everywhere = dict(self._all())
        return self._everywhere.get(name, "")

    def _real(self, path: str) -> Path:
        return Path(f"{self.root}/{inside(self.root, path)}")

    def _fits(self, path: str) -> bool:
        try:
            real = self._real(path)
            return real.is_file() and is_elf(real) and self.elf(path).machine == self.machine
        except (OSError, TareError):
            return False

    def _own_directories(self, path: str) -> tuple[str, ...]:
        origin = str(PurePosixPath(inside(self.root, path)).parent)
        return tuple(
            os.path.normpath(each.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", origin))
            for each in self.elf(path).search
            if each.startswith(("/", "$ORIGIN", "${ORIGIN}"))
        )

    def _defaults(self) -> tuple[str, ...]:
        if not self._default:
            multiarch = f"{self.machine}-linux-gnu"
            configured = [
                *self._configured("/etc/ld.so.conf"),
                *(line for path in self._glob(f"/etc/ld-musl-{self.machine}.path") for line in _lines(path)),
            ]
            usual = [f"{folder}/{multiarch}" for folder in ("/lib", "/usr/lib")]
            usual += ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"]
            self._default = tuple(dict.fromkeys([*configured, *usual]))
        return self._default

    def _configured(self, pattern: str, depth: int = 0) -> Iterator[str]:
        """Directories of ``ld.so.conf`` and what it includes, see ldconfig(8)."""
        for path in self._glob(pattern) if depth < 4 else ():
            for line in _lines(path):
                keyword, _, rest = line.partition(" ")
                if keyword == "include":
                    yield from self._configured(
                        rest.strip() if rest.startswith("/") else f"/etc/{rest.strip()}", depth + 1
                    )
                elif line.startswith("/"):
                    yield line

    def _glob(self, pattern: str) -> list[Path]:
        return sorted(self.root.glob(pattern.lstrip("/")))

    def _all(self) -> Iterator[tuple[str, str]]:
        if self.root == Path("/"):
            return
        for top, _folders, files in sorted(os.walk(self.root / "usr/lib"), reverse=True):
            for name in files:
                path = "/" + str(Path(top, name).relative_to(self.root))
                if ".so" in name and self._fits(path):
                    yield name, path


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    parts = (line.partition("#")[0].strip() for line in text.replace(":", "\n").splitlines())
    return [part for part in parts if part]
