"""Find the programs that the suite calls or measures with: the system's if they work, else fetched ones.

Fetched programs are run by their own loader with their own libraries, and never load the host's.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from tare.results.nearest import did_you_mean
from tare.results.said import say
from tare.results.scratch import scratch_folder
from tare.runners.errors import Missing, SettingRefused
from tare.runners.host.endings import how_ended
from tare.runners.host.programs import run_quietly
from tare.runners.provision.aptroot import Packages, fetch
from tare.runners.provision.cache import Cache
from tare.runners.provision.elf import is_elf, read_elf
from tare.runners.provision.kernel import GuestKernel, guest_kernel
from tare.runners.provision.recipes import RECIPES
from tare.runners.provision.starts import AS_IT_IS, Start, install_by_hand, start_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tare.runners.provision.recipes import Recipe

Origin = Literal["system", "fetched", "given"]

NOT_HERE_YET = "not here yet; is fetched before the run"
"""Version of a tool, in probes, that provisioning is going to fetch."""
_TRY_SECONDS = 20.0


class Tool(msgspec.Struct, frozen=True):
    """A program that was found and works."""

    name: str
    path: Path
    prefix: tuple[str, ...]
    """Words before the program: the loader and its options, for fetched tools."""
    suffix: tuple[str, ...]
    """Options that always follow the program: the folders of QEMU's firmware."""
    environ: Mapping[str, str]
    """Variables to add to the process' environment."""
    origin: Origin
    version: str
    """First line of its answer to ``--version`` or the like."""
    package: str
    """Package it was fetched in, as ``name version``; empty for the system's own."""
    root: Path
    """Root of its libraries: ``/`` unless it was fetched."""

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """Give the command line that runs it on this host."""
        return (*self.prefix, str(self.path), *self.suffix, *arguments)


_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Folders to search besides ``PATH``, which seldom has them for ordinary users."""


@dataclass(slots=True)
class Provision:
    """A source of tools and guest kernels that remembers what it found."""

    cache: Path
    offline: bool = False
    """Use only what is on the host or in the cache; fetch nothing."""
    progress: Callable[[str], None] = field(default=lambda _line: None)
    use_system: bool = True
    """False passes over the host's own tools, so that tests see what a bare host would get."""
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Tool → path of the program that the user chose for it."""
    store: Cache = field(init=False)
    _tools: dict[tuple[str, str], Tool | Missing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = (*RECIPES, "python3")
        for name in self.chosen:
            if name not in known:
                hint = did_you_mean(name, known)
                raise SettingRefused("--tools", say(
                    "fetch.no_tool", "there is no tool {name!r}{hint} Known are {known}.",
                    name=name, hint=hint, known=", ".join(known),
                ))  # fmt: skip
        self.store = Cache(self.cache, self.progress)

    def tool(self, name: str, given: str = "") -> Tool:
        """Find a tool.

        Args:
            name: ``fio``, ``python3``, ``qemu-system-x86_64``, …
            given: the user's choice, a path or a name on ``PATH``; it is used or refused, never replaced.

        Raises:
            Missing: it is not on this host and cannot be fetched, or the given one does not work.
        """
        given = given or self.chosen.get(name, "")
        key = (name, given)
        if key not in self._tools:
            try:
                self._tools[key] = self._find(name, given)
            except Missing as error:
                self._tools[key] = error
        found = self._tools[key]
        if isinstance(found, Missing):
            raise Missing(found.reason, found.remedy)
        return found

    def here(self, name: str, given: str = "") -> Tool | None:
        """Find a tool on this host or in the cache, without network and long work; ``None`` if it is not there."""
        try:
            if self.offline or (name, given) in self._tools:
                return self.tool(name, given)
            known = Provision(self.cache, offline=True, use_system=self.use_system, chosen=self.chosen)
            return known.tool(name, given)
        except Missing:
            return None

    def can_fetch(self, name: str) -> bool:
        """Tell whether the tool is in a package, and may be fetched."""
        return not self.offline and name in RECIPES and bool(RECIPES[name].packages)

    def installed(self, name: str) -> Tool | None:
        """Find the system's own tool; ``None`` if there is none that works."""
        return self._system(name, RECIPES[name])

    def find(self, name: str) -> Tool | None:
        """Find a tool as :meth:`tool` does; ``None`` where that raises."""
        try:
            return self.tool(name)
        except Missing:
            return None

    def guest_kernel(self, given: str = "", modules: str = "") -> GuestKernel:
        """Find the kernel for guests. See :func:`tare.runners.provision.kernel.guest_kernel`."""
        zstd = lambda: self.tool("zstd").argv("-d", "-q", "-c")  # noqa: E731 - asked for only if a module needs it
        return guest_kernel(
            self.store, zstd, given=given, modules=modules, offline=self.offline, system=self.use_system
        )

    def _find(self, name: str, given: str) -> Tool:
        if name == "python3":
            return _python(given)
        if name not in RECIPES:
            raise Missing(
                say("fetch.no_recipe", "{name}: tare has no recipe for this tool.", name=name),
                say("remedy.known_tools", "Known are: {names}, python3.", names=", ".join(RECIPES)),
            )
        spec = RECIPES[name]
        if given:
            path = shutil.which(given)
            if path is None:
                raise Missing(
                    say("fetch.no_program", "{given}: there is no such program.", given=given),
                    say("remedy.give_path", "Give the path of a working {name}.", name=name),
                )
            return _tried(name, spec, Path(path), "given")
        found = self._system(name, spec) if self.use_system and not spec.fetched_only else None
        return found or self._fetched(name, spec)

    def _system(self, name: str, spec: Recipe) -> Tool | None:
        path = shutil.which(
            name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS))
        )
        # Scripts are refused: a wrapper cannot be carried into the image.
        if path is None or not is_elf(Path(path)) or (spec.static and not read_elf(Path(path)).static):
            return None
        try:
            return _tried(name, spec, Path(path), "system")
        except Missing as error:
            self.progress(say(
                    "progress.passed_over", "the system's {name} does not work, so it is passed over: {reason}",
                    name=name, reason=error.reason,
                ))  # fmt: skip
            return None

    def _fetched(self, name: str, spec: Recipe) -> Tool:
        if not spec.packages:
            raise Missing(
                say(
                    "fetch.not_here",
                    "{name} is not on this host, and in no archive that tare fetches from.",
                    name=name,
                ),
                say("remedy.install_on_path", "Install {name} so that it is on PATH.", name=name),
            )
        entry = fetch(Packages(spec.packages), self.store, offline=self.offline)
        path = next(iter(sorted(entry.path.glob(f"{spec.where}/{name}"))), None)
        if path is None:
            raise Missing(
                say(
                    "fetch.not_in_packages",
                    "{name} is not in the packages {names}.",
                    name=name,
                    names=" ".join(spec.packages),
                ),
                install_by_hand(name),
            )
        package = next(
            (each for each in spec.packages if name.startswith(each.removesuffix("-static"))),
            spec.packages[0],
        )
        return _tried(
            name,
            spec,
            path,
            "fetched",
            entry.path,
            f"{package} {entry.facts['packages'].get(package, '')}".strip(),
            start_of(self.store, name, path, entry, by_itself=spec.starts_itself),
        )


def _tried(
    name: str,
    spec: Recipe,
    path: Path,
    origin: Origin,
    root: Path = Path("/"),
    package: str = "",
    start: Start = AS_IT_IS,
) -> Tool:
    """Run a tool once, and return it.

    Raises:
        Missing: it does not start, or fails.
    """
    prefix, suffix, environ = start.prefix, start.suffix, dict(start.environ)
    tool = Tool(name, path, prefix, suffix, environ, origin, "", package, root)
    try:
        with _home(spec) as home:
            done = run_quietly(tool.argv(*spec.ask), env=os.environ | environ | home, timeout=_TRY_SECONDS)
        said = (done.stdout + done.stderr).strip()
        complaint = f"{how_ended(done.returncode)}: {said[-200:]}" if done.returncode != spec.status else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        said, complaint = "", str(error)
    if complaint:
        raise Missing(
            say("fetch.broken", "{path} does not work ({complaint}).", path=path, complaint=complaint),
            say(
                "remedy.install_working",
                "Install a working one: apt-get install {names}",
                names=" ".join(spec.packages),
            ),
        )
    version = said.splitlines()[0] if said else package
    return Tool(name, path, prefix, suffix, environ, origin, version, package, root)


@contextlib.contextmanager
def _home(spec: Recipe) -> Iterator[dict[str, str]]:
    """Give a tool that leaves files behind a temporary home, as an environment."""
    if not spec.own_home:
        yield {}
        return
    with scratch_folder("try") as folder:
        yield dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "TMPDIR"), str(folder))


_PYTHON_TRY = "import ctypes, hashlib, json, platform, random, re, sqlite3, statistics, struct, sys, zlib; print(sys.version_info[:2] >= (3, 9), platform.python_version(), sys.base_prefix)"  # noqa: E501


def _python(given: str) -> Tool:
    """Find the Python for the image: the system's if it is complete, else the one that is running.

    Never one of a virtual environment, nor a shim that chooses by configuration: both would need more files.
    """
    candidates = [given] if given else ["/usr/bin/python3", getattr(sys, "_base_executable", sys.executable)]
    for candidate in candidates:
        path = shutil.which(candidate)
        if path is None or not is_elf(Path(path).resolve()):
            continue
        try:
            done = run_quietly([path, "-I", "-c", _PYTHON_TRY], timeout=_TRY_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            continue
        match = re.match(r"True (\S+) ", done.stdout)
        if match and not done.returncode:
            origin: Origin = "given" if given else "system"
            return Tool("python3", Path(path), (), (), {}, origin, f"Python {match[1]}", "", Path("/"))
    raise Missing(
        say(
            "fetch.no_python",
            "There is no complete Python 3.9 or later to carry into the image; tried {names}.",
            names=", ".join(candidates),
        ),
        say("remedy.install_python", "Install one: apt-get install python3"),
    )
