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
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tare.results.nearest import did_you_mean
from tare.runners.errors import Missing, UsageError
from tare.runners.host.endings import how_ended
from tare.runners.provision import arch
from tare.runners.provision.aptroot import Packages, fetch
from tare.runners.provision.cache import Cache
from tare.runners.provision.elf import is_elf, read_elf
from tare.runners.provision.kernel import GuestKernel, guest_kernel
from tare.runners.provision.libraries import Libraries
from tare.runners.provision.loader import loader_argv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Origin = Literal["system", "fetched", "given"]

NOT_HERE_YET = "not here yet; is fetched before the run"
"""Version of a tool, in probes, that provisioning is going to fetch."""
_TRY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Tool:
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


@dataclass(frozen=True, slots=True)
class _Spec:
    packages: tuple[str, ...]
    """Packages to fetch into one root; tools with the same packages share it."""
    ask: tuple[str, ...] = ("--version",)
    where: str = "usr/bin"
    """Folder below the root; may have wildcards, for names with a version in them."""
    static: bool = False
    fetched_only: bool = False
    """Never take the system's: its other files, which the image needs as well, may be anywhere."""
    own_home: bool = False
    """Try it with a home of its own: it leaves files wherever it is called."""
    status: int = 0
    """Exit status of a working tool that was asked so."""
    starts_itself: bool = False
    """The tool executes ``/proc/self/exe``, which would be the loader. So the host's loader runs it, and it gets from
    the fetched root only the libraries that the host lacks."""


_DOCKER = ("docker.io", "iptables", "iproute2", "apparmor")
"""Packages of Docker's daemon; containerd and runc are in their closure."""
_PODMAN = (
    "podman",
    "crun",
    "runc",
    "netavark|containernetworking-plugins",
    "slirp4netns",
    "iptables",
    "iproute2",
)
_CONTAINERD = ("containerd", "runc", "containernetworking-plugins", "iproute2")
_REDIS = ("redis-server", "redis-tools")
_WORKLOADS = ("fio", "sysbench", "stress-ng")
_SPECS = {
    "fio": _Spec(_WORKLOADS),
    "sysbench": _Spec(_WORKLOADS),
    "stress-ng": _Spec(_WORKLOADS),
    "busybox": _Spec(("busybox-static",), ("true",), static=True),
    "mke2fs": _Spec(("e2fsprogs",), ("-V",), "usr/sbin"),
    "zstd": _Spec(("zstd",)),
    "docker": _Spec(_DOCKER),
    "podman": _Spec(_PODMAN, own_home=True),
    "dockerd": _Spec(_DOCKER, where="usr/sbin"),
    "containerd": _Spec(_CONTAINERD),
    "ctr": _Spec(_CONTAINERD),
    "etcd": _Spec(("etcd-server",)),
    "kubectl": _Spec(("kubernetes-client",), ("version", "--client")),
    "postgres": _Spec(("postgresql",), where="usr/lib/postgresql/*/bin", fetched_only=True),
    "psql": _Spec(("postgresql",), where="usr/lib/postgresql/*/bin", fetched_only=True),
    "pgbench": _Spec(("postgresql",), where="usr/lib/postgresql/*/bin", fetched_only=True),
    "redis-server": _Spec(_REDIS),
    "redis-benchmark": _Spec(_REDIS),
    "memcached": _Spec(("memcached",)),
    "nginx": _Spec(("nginx",), ("-v",), "usr/sbin"),
    "wrk": _Spec(("wrk",), ("-v",), status=1),
    "initdb": _Spec(("postgresql",), where="usr/lib/postgresql/*/bin", fetched_only=True),
    "qemu-img": _Spec(("qemu-utils",)),
    "passt": _Spec(("passt",), starts_itself=True),
    "grub-mkimage": _Spec(("grub-common", "grub-pc-bin")),
    "runc": _Spec(("runc",), where="usr/sbin", starts_itself=True),
    "crun": _Spec(("crun",), starts_itself=True),
    "youki": _Spec(()),
    "kata-runtime": _Spec(()),
    "runsc": _Spec(("runsc",), static=True),
    "bwrap": _Spec(("bubblewrap",)),
    "systemd-nspawn": _Spec(("systemd-container",)),
    "lxc-execute": _Spec(("lxc",)),
    "hyperfine": _Spec(("hyperfine",)),
    "valgrind": _Spec(("valgrind",)),
    # Debian's `valgrind` is a script that executes this.
    "valgrind.bin": _Spec(("valgrind",), starts_itself=True),
    arch.X86_64.qemu: _Spec(arch.X86_64.qemu_packages),
    arch.AARCH64.qemu: _Spec(arch.AARCH64.qemu_packages),
}
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Folders to search besides ``PATH``, which seldom has them for ordinary users."""

_VALGRIND_TOOLS = ("usr/libexec/valgrind", "usr/lib/*/valgrind", "usr/lib/valgrind")

_FIRMWARE = ("usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu", "usr/share/qemu-efi-aarch64")


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
        known = (*_SPECS, "python3")
        for name in self.chosen:
            if name not in known:
                hint = did_you_mean(name, known)
                raise UsageError(f"--tools: there is no tool {name!r}{hint} Known are {', '.join(known)}.")
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
        return not self.offline and name in _SPECS and bool(_SPECS[name].packages)

    def installed(self, name: str) -> Tool | None:
        """Find the system's own tool; ``None`` if there is none that works."""
        return self._system(name, _SPECS[name])

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
        if name not in _SPECS:
            raise Missing(
                f"{name}: tare has no recipe for this tool.", f"Known are: {', '.join(_SPECS)}, python3."
            )
        spec = _SPECS[name]
        if given:
            path = shutil.which(given)
            if path is None:
                raise Missing(f"{given}: there is no such program.", f"Give the path of a working {name}.")
            return _tried(name, spec, Path(path), "given")
        found = self._system(name, spec) if self.use_system and not spec.fetched_only else None
        return found or self._fetched(name, spec)

    def _system(self, name: str, spec: _Spec) -> Tool | None:
        path = shutil.which(
            name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS))
        )
        # Scripts are refused: a wrapper cannot be carried into the image.
        if path is None or not is_elf(Path(path)) or (spec.static and not read_elf(Path(path)).static):
            return None
        try:
            return _tried(name, spec, Path(path), "system")
        except Missing as error:
            self.progress(f"the system's {name} does not work, so it is passed over: {error.reason}")
            return None

    def _fetched(self, name: str, spec: _Spec) -> Tool:
        if not spec.packages:
            raise Missing(
                f"{name} is not on this host, and in no archive that tare fetches from.",
                f"Install {name} so that it is on PATH.",
            )
        entry = fetch(Packages(spec.packages), self.store, offline=self.offline)
        path = next(iter(sorted(entry.path.glob(f"{spec.where}/{name}"))), None)
        if path is None:
            raise Missing(
                f"{name} is not in the packages {' '.join(spec.packages)}.", f"Install {name} by hand."
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
            self._lacking(path, entry.path) if spec.starts_itself else None,
        )

    def _lacking(self, path: Path, root: Path) -> Path:
        """Make a folder with those libraries of a fetched program that this host lacks."""
        here = Libraries(Path("/"))
        closure = Libraries(root).closure(f"/{path.relative_to(root)}")
        lacking = [library for library in closure.libraries if not here.find(Path(library).name)]

        def copy(folder: Path) -> dict[str, list[str]]:
            for library in lacking:
                shutil.copy(root / library.lstrip("/"), folder)
            return {"libraries": lacking}

        return self.store.entry("libraries", f"{root} {sorted(lacking)}", copy).path


def _tried(
    name: str,
    spec: _Spec,
    path: Path,
    origin: Origin,
    root: Path = Path("/"),
    package: str = "",
    lacking: Path | None = None,
) -> Tool:
    """Run a tool once, and return it.

    Raises:
        Missing: it does not start, or fails.
    """
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()
    environ: dict[str, str] = {}
    if lacking is not None:
        environ = {"LD_LIBRARY_PATH": str(lacking)}
        # Valgrind's tools are in a folder that its launcher has the path of.
        tools = (str(found) for glob in _VALGRIND_TOOLS for found in root.glob(glob))
        environ |= {"VALGRIND_LIB": next(tools, "")} if name == "valgrind.bin" else {}
    elif origin == "fetched":
        prefix, suffix, environ = _ways(name, path, root)
    tool = Tool(name, path, prefix, suffix, environ, origin, "", package, root)
    try:
        with _home(spec) as home:
            done = subprocess.run(
                tool.argv(*spec.ask),
                env=os.environ | environ | home,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=_TRY_SECONDS,
            )
        said = (done.stdout + done.stderr).strip()
        complaint = f"{how_ended(done.returncode)}: {said[-200:]}" if done.returncode != spec.status else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        said, complaint = "", str(error)
    if complaint:
        raise Missing(
            f"{path} does not work ({complaint}).",
            f"Install a working one: apt-get install {' '.join(spec.packages)}",
        )
    version = said.splitlines()[0] if said else package
    return Tool(name, path, prefix, suffix, environ, origin, version, package, root)


@contextlib.contextmanager
def _home(spec: _Spec) -> Iterator[dict[str, str]]:
    """Give a tool that leaves files behind a temporary home, as an environment."""
    if not spec.own_home:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="tare-try-") as folder:
        yield dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "TMPDIR"), folder)


def _ways(name: str, path: Path, root: Path) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]:
    """Give the prefix, the fixed options and the environment of a fetched tool."""
    inner = f"/{path.relative_to(root)}"
    libraries = Libraries(root)
    closure = libraries.closure(inner)
    if not closure.interpreter:
        return (), (), {}
    if closure.missing:
        raise Missing(f"{name} was fetched without {', '.join(closure.missing)}.", f"Install {name} by hand.")
    prefix = loader_argv(str(root), closure.interpreter, closure.directories)
    if not name.startswith("qemu-system-"):
        return prefix, (), {}
    firmware = [
        argument for each in _FIRMWARE if (root / each).is_dir() for argument in ("-L", str(root / each))
    ]
    # QEMU looks for its modules beside /proc/self/exe, which is the loader here.
    modules = root / "usr/lib" / arch.current().multiarch / "qemu"
    return prefix, tuple(firmware), {"QEMU_MODULE_DIR": str(modules)} if modules.is_dir() else {}


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
            done = subprocess.run(
                [path, "-I", "-c", _PYTHON_TRY],
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=_TRY_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        match = re.match(r"True (\S+) ", done.stdout)
        if match and not done.returncode:
            origin: Origin = "given" if given else "system"
            return Tool("python3", Path(path), (), (), {}, origin, f"Python {match[1]}", "", Path("/"))
    raise Missing(
        f"There is no complete Python 3.9 or later to carry into the image; tried {', '.join(candidates)}.",
        "Install one: apt-get install python3",
    )
