"""Which libraries a program needs, and where they are below a root.

Read from the ELF files themselves (elf(5), ld.so(8)) and not asked of the loader, because a root may be for
another C library, and running it would already need what is sought.
"""

from __future__ import annotations

import os
import platform
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from runners.model import TareError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LINKS_LIMIT = 40
"""As many links as the kernel follows in one path (path_resolution(7))."""

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

    Raises:
        TareError: it is no readable ELF file.
    """
    from elftools.common.exceptions import ELFError  # noqa: PLC0415 - only provisioning needs it
    from elftools.elf.dynamic import DynamicSegment  # noqa: PLC0415
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415
    from elftools.elf.segments import InterpSegment  # noqa: PLC0415

    interpreter, needed = "", []
    search: dict[str, list[str]] = {}
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            machine = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}.get(
                elf["e_machine"], str(elf["e_machine"])
            )
            if elf.elfclass == 32:
                machine = f"{machine} (32 bit)"
            for segment in elf.iter_segments():
                if isinstance(segment, InterpSegment):
                    interpreter = segment.get_interp_name()
                elif isinstance(segment, DynamicSegment):
                    for tag in segment.iter_tags():
                        # The library sets the text under the tag's own name, which its types do not say.
                        kind = str(tag.entry.d_tag)
                        if kind == "DT_NEEDED":
                            needed.append(str(vars(tag)["needed"]))
                        elif kind in {"DT_RUNPATH", "DT_RPATH"}:
                            search[kind] = str(vars(tag)[kind[3:].lower()]).split(":")
    except (
        ELFError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        UnicodeDecodeError,
        AssertionError,
    ) as error:
        # pyelftools meets a cut file with whatever its parser happens to raise.
        raise TareError(f"{path} cannot be read as a program: {error or type(error).__name__}.") from error
    path_entries = search.get("DT_RUNPATH", search.get("DT_RPATH", []))
    return Elf(interpreter, tuple(needed), tuple(filter(None, path_entries)), machine)


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
