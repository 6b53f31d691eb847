"""Find the libraries that a program needs below a root, as its loader would (ld.so(8)).

The loader itself is not asked: the root may be made for another C library, and running its loader would already need
what is sought.
"""

from __future__ import annotations

import os
import platform
from collections import deque
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from tare.runners.errors import TareError
from tare.runners.provision.elf import Elf, is_elf, read_elf
from tare.runners.provision.paths import inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tare.runners.provision.cache import Cache, Entry

_OPENED_LATER = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2")
"""Libraries that glibc itself opens by name when a thread is cancelled or a user is looked up."""

_METHOD = 1
"""Version of the search: closures that another one found are not used."""


class Closure(msgspec.Struct, frozen=True):
    """The loader and the libraries of a program, as paths *inside* the root; links of directories are resolved."""

    interpreter: str
    """Path of the loader; empty for static programs."""
    libraries: tuple[str, ...]
    """Paths of the libraries, sorted; a file name is the one that programs ask for."""
    missing: tuple[str, ...] = ()
    """Names of needed libraries that are nowhere in the root."""

    @property
    def directories(self) -> tuple[str, ...]:
        """Directories of the libraries for the loader's ``--library-path``, those with most libraries first."""
        counts: dict[str, int] = {}
        for library in self.libraries:
            parent = str(PurePosixPath(library).parent)
            counts[parent] = counts.get(parent, 0) + 1
        return tuple(sorted(counts, key=lambda each: (-counts[each], each)))


def fetched_closure(store: Cache, fetched: Entry, program: str) -> Closure:
    """Find the closure of a fetched program, once for these versions of its packages: it takes half a second for QEMU.

    Args:
        store: the cache.
        fetched: the packages' entry in it.
        program: path inside the entry.
    """

    def find(_folder: Path) -> dict[str, Any]:
        return msgspec.structs.asdict(Libraries(fetched.path).closure(program))

    key = f"{_METHOD} {fetched.path} {program} {sorted(fetched.facts['packages'].items())}"
    facts = store.entry("closures", key, find).facts
    return Closure(facts["interpreter"], tuple(facts["libraries"]), tuple(facts["missing"]))


class Libraries(msgspec.Struct):
    """The libraries below one root, read on demand."""

    root: Path
    machine: str = msgspec.field(default_factory=platform.machine)
    _default: tuple[str, ...] = ()
    _everywhere: dict[str, str] | None = None
    _elfs: dict[str, Elf] = msgspec.field(default_factory=dict)

    def closure(self, program: str, *, extra: Iterable[str] = ()) -> Closure:
        """Find the closure of a program and of ``extra`` files that it opens itself; all are paths inside the root."""
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
            # A DT_RPATH is inherited, so the parents' directories are searched as well.
            inherited = tuple(dict.fromkeys((*self._own_directories(place), *first)))
            pending.extend((needed, inherited) for needed in self.elf(place).needed)
        return Closure(interpreter, tuple(sorted(set(found.values()))), tuple(sorted(missing)))

    def elf(self, path: str) -> Elf:
        """Read the facts of a file inside the root, once."""
        if path not in self._elfs:
            self._elfs[path] = read_elf(self._real(path))
        return self._elfs[path]

    def find(self, name: str, first: Iterable[str] = ()) -> str:
        """Find a library; the result is a path inside the root, or empty."""
        if "/" in name:
            return inside(self.root, name) if self._fits(name) else ""
        for directory in (*first, *self._defaults()):
            candidate = f"{directory}/{name}"
            if self._fits(candidate):
                return f"{inside(self.root, directory)}/{name}"
        # Some packages choose among alternatives by scripts, which are not run here, so there is no link.
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
        """Yield the directories of ``ld.so.conf`` and of what it includes, see ldconfig(8)."""
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
