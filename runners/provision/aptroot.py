"""Fetch Debian or Ubuntu packages and unpack them into a private root, without root rights.

apt keeps all of its state below the cache folder. An *empty* dpkg status file makes it resolve the whole closure, the C
library included. So fetched programs are run by their own loader and never load the host's libraries.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.said import say
from tare.runners.errors import Missing, TareError
from tare.runners.host.endings import last_words
from tare.runners.host.programs import run_quietly
from tare.runners.provision import progress
from tare.runners.provision.cache import sha256_of
from tare.runners.provision.unpack import prepare_root, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tare.runners.provision.cache import Cache, Entry

INDEX_SECONDS = 6 * 3600
"""Age at which package indexes are fetched again."""

_LEAST_ROOM_BYTES = 1 << 20
"""Room on the cache's disk below which apt-get is taken to be stuck."""

_WATCH_SECONDS = 0.2

INDEX_BYTES = 300 << 20
"""Room that package indexes take, while apt unpacks new ones beside the old ones."""
INDEX_FETCH_SECONDS = 600.0
"""Time limit for fetching the package indexes."""
ASK_SECONDS = 120.0
"""Time limit for questions that apt answers from its indexes."""
_SLOWEST_BYTES_PER_SECOND = 100_000
"""A download that is slower than this on the whole is given up."""

NEVER_RUN = re.compile(
    r"(perl|libperl|python3|libpython3|debconf|dpkg|passwd|adduser|tar|coreutils|mount|init-system-helpers|"
    r"iso-codes|media-types|mime-support|udev|systemd|ucf|sensible-utils|lsb-base|hicolor-icon-theme|libx11-data|"
    r"mariadb-common|mysql-common|shared-mime-info|xkb-data)(?![a-z]).*"
)
"""Packages of a closure that are only needed by maintainer scripts, which are not run, or by programs that are not
called. Every tool is tried after unpacking, so a package that is missing shows at once."""


class Packages(msgspec.Struct, frozen=True):
    """Packages to fetch into one root."""

    names: tuple[str, ...]
    """Names of packages, fetched with their closures; ``a|b`` means the first that this distribution has."""
    only: str = ""
    """Regular expression that names of packages have to match to be fetched; empty: all are."""


class _Download(msgspec.Struct, frozen=True):
    package: str
    version: str
    architecture: str
    size_bytes: int


def fetch(wanted: Packages, cache: Cache, *, offline: bool = False) -> Entry:
    """Give a root with these packages; its facts have ``packages`` (name → version), sizes and seconds.

    Its key is the request and the distribution, not the resolved versions: a run without network, or next week, uses
    what is there, and the facts tell the versions.

    Raises:
        Missing: it is not in the cache, and cannot be fetched here.
        TareError: the disk is full.
    """
    key = repr((sorted(wanted.names), wanted.only, distribution()))
    if offline:
        found = cache.find("apt", key)
        if found is None:
            raise Missing(
                say("fetch.offline", "{names}: not in the cache, and --offline forbids fetching.", names=" ".join(wanted.names)),
                say("remedy.without_offline", "Run once without --offline."),
            )  # fmt: skip
        return found
    return cache.entry("apt", key, lambda root: _build(wanted, root, cache))


def fetch_source(package: str, folder: Path, cache: Cache) -> tuple[str, Path]:
    """Download a source package's upstream archive into ``folder``, verified by apt; return its version and path.

    Raises:
        Missing: the distribution has no such source, or its archive cannot be reached.
    """
    if not shutil.which("apt-get"):
        raise Missing(
            say("fetch.source_no_apt", "The source of {package}: apt-get is not on this host, so it cannot be fetched.", package=package),
            say("remedy.run_debian", "Run on Debian 12."),
        )  # fmt: skip
    with cache.locked("apt-state", "index"):
        apt = _Apt(cache.folder / "apt-state", cache.say)
        lists = folder / "lists"
        (lists / "partial").mkdir(parents=True)
        sources = folder / "sources.list"
        sources.write_text(apt.source_entries(), "utf-8")
        options = ("-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=-",
                   "-o", f"Dir::State::Lists={lists}")  # fmt: skip
        cache.say(say("progress.fetching_source", "fetching the source of {package}", package=package))
        apt.run("update", *options, seconds=INDEX_FETCH_SECONDS)
        words = ("source", *options, "--download-only", "-qq", package)
        done = apt.run(*words, directory=folder, seconds=INDEX_FETCH_SECONDS)
    found = sorted(folder.glob(f"{package}_*.orig.tar.*"))
    if done.returncode or not found:
        raise Missing(
            say("fetch.source_failed", "The source of {package} cannot be fetched: {told}", package=package, told=_complaint(done)),
            say("remedy.run_debian_connected", "Run on Debian 12, connected to its package mirror."),
        )  # fmt: skip
    (description,) = folder.glob(f"{package}_*.dsc")
    return description.stem.partition("_")[2], found[0]


def distribution() -> str:
    """Name the distribution: ``ID-VERSION_ID`` of os-release(5); empty if there is no such file."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        facts = dict(line.split("=", 1) for line in lines if "=" in line)
        return "-".join(facts.get(name, "").strip("\"'") for name in ("ID", "VERSION_ID"))
    return ""


def _build(wanted: Packages, root: Path, cache: Cache) -> Mapping[str, Any]:
    for program in ("apt-get", "dpkg-deb"):
        if not shutil.which(program):
            raise Missing(
                say(
                    "fetch.no_apt", "{names}: {program} is not on this host, so nothing can be fetched.",
                    names=" ".join(wanted.names), program=program,
                ),
                say(
                    "remedy.install_with_manager", "Install with this system's package manager: {names}",
                    names=" ".join(name.split("|")[0] for name in wanted.names),
                ),
            )  # fmt: skip
    began = time.monotonic()
    with cache.locked("apt-state", "index"):
        apt = _Apt(cache.folder / "apt-state", cache.say)
        apt.refresh()
        names = apt.choose(wanted.names)
        downloads = [each for each in apt.resolve(names) if _needed(each.package, wanted.only, names)]
        total = sum(each.size_bytes for each in downloads)
        free = shutil.disk_usage(root).free
        if free < 6 * total:
            raise TareError(say(
                "cache.no_room", "The cache folder {folder} has {free} MiB free, and unpacking {names} takes about {value} MiB. "
                "Free some space, or set TARE_CACHE to a folder on a larger disk.",
                folder=cache.folder, free=free >> 20, names=" ".join(names), value=6 * total >> 20,
            ))  # fmt: skip
        cache.say(progress.fetching(names, len(downloads), total))
        archives = root / ".archives"
        archives.mkdir()
        apt.download(downloads, archives)
    fetched = time.monotonic()
    prepare_root(root)
    packages = sorted(archives.glob("*.deb"))
    hashes = {}
    for package in packages:
        hashes[package.name] = sha256_of(package)
        unpack(package, root)
    shutil.rmtree(archives)
    done = time.monotonic()
    cache.say(progress.fetched(names, fetched - began, done - fetched))
    return {
        "asked": list(names),
        "packages": {each.package: each.version for each in downloads},
        "hashes": hashes,
        "download_bytes": total,
        "download_seconds": fetched - began,
        "unpack_seconds": done - fetched,
    }


def _needed(package: str, only: str, names: tuple[str, ...]) -> bool:
    if only:
        return re.fullmatch(only, package) is not None
    return package in names or NEVER_RUN.fullmatch(package) is None


class _Apt:
    """apt-get with all of its state in one folder of the cache."""

    def __init__(self, state: Path, say: Callable[[str], None]) -> None:
        self.state, self.say = state, say
        for name in ("lists/partial", "cache/archives/partial", "parts"):
            (state / name).mkdir(parents=True, exist_ok=True)
        (state / "status").write_bytes(b"")
        (state / "apt.conf").write_text(self._settings(), encoding="utf-8")
        self.environ = os.environ | {"APT_CONFIG": str(state / "apt.conf"), "LC_ALL": "C"}

    def _settings(self) -> str:
        """Take the host's settings for reaching its archives, without its hooks, and with our directories.

        Hooks (``APT::Update::Post-Invoke`` and the like) would act on the host: Docker's images empty
        ``/var/cache/apt``, desktops rebuild their software catalogue.
        """
        dump = run_quietly(["apt-config", "dump"]).stdout
        kept = [
            line
            for line in dump.splitlines()
            if line.startswith(("Acquire::", "APT::Architecture"))
            and not line.startswith("Acquire::IndexTargets")
        ]
        ours = {
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": self.state / "parts",
            "Dir::State": self.state,
            "Dir::State::status": self.state / "status",
            "Dir::State::lists": self.state / "lists",
            "Dir::Cache": self.state / "cache",
            "Debug::NoLocking": "true",
            # As root, apt would download as the user `_apt`, which cannot enter our folder.
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
            "Acquire::https::Timeout": "20",
        }
        return "\n".join([*kept, *(f'{name} "{value}";' for name, value in ours.items())]) + "\n"

    def run(
        self, *arguments: str, directory: Path | None = None, seconds: float = ASK_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run apt-get.

        Raises:
            Missing: it does not end in time.
            OSError: apt says that the disk is full.
        """
        try:
            done = run_quietly(["apt-get", *arguments], env=self.environ, cwd=directory, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise _overdue(arguments[0], seconds) from error
        if "No space left" in done.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return done

    def source_entries(self) -> str:
        """Give ``sources.list`` lines for the sources of the host's package archives."""
        line = "deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)"
        done = run_quietly(
            ["apt-get", "indextargets", "--format", line, "Created-By: Packages"], env=self.environ
        )
        return "".join(f"{each}\n" for each in dict.fromkeys(done.stdout.splitlines()))

    def refresh(self) -> None:
        """Fetch the package indexes if they are old."""
        stamp = self.state / "refreshed"
        if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < INDEX_SECONDS:
            return
        free = shutil.disk_usage(self.state).free
        if free < INDEX_BYTES:
            raise TareError(say(
                "cache.no_room_indexes", "The cache folder {state} has {free} MiB free, and the package indexes take {index_bytes} MiB. "
                "Free some space, or set TARE_CACHE to a folder on a larger disk.",
                state=self.state, free=free >> 20, index_bytes=INDEX_BYTES >> 20,
            ))  # fmt: skip
        self.say(say("progress.fetching_indexes", "fetching the package indexes"))
        done = self._update()
        if not any((self.state / "lists").glob("*_Packages*")):
            raise Missing(
                say("fetch.no_index", "apt-get update brought no package index: {told}", told=_complaint(done)),
                say("remedy.mirror", "Connect this host to its package mirror, or check /etc/apt/sources.list, then run again."),
            )  # fmt: skip
        # Some index is there; resolve() will tell whether it suffices.
        if done.returncode == 0 and "Failed to fetch" not in done.stderr:
            stamp.touch()

    def _update(self) -> subprocess.CompletedProcess[str]:
        """Fetch the indexes. On a full disk apt-get neither goes on nor ends, so the room is watched.

        Raises:
            OSError: there is no room left.
            Missing: it does not end in time.
        """
        deadline = time.monotonic() + INDEX_FETCH_SECONDS
        command = ["apt-get", "update"]
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(
                command, env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
            ) as process,
        ):
            try:
                while process.poll() is None:
                    _check_room(self.state)
                    _check_time(deadline)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(_WATCH_SECONDS)
            except BaseException:
                process.kill()
                raise
            said.seek(0)
            complaints = said.read().decode(errors="replace")
        if "No space left" in complaints:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return subprocess.CompletedProcess(command, process.returncode, "", complaints)

    def choose(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Choose from each ``a|b`` the first package that the indexes have."""
        chosen = []
        for alternatives in names:
            known = next((name for name in alternatives.split("|") if self._resolvable(name)), "")
            if not known:
                raise Missing(
                    say(
                        "fetch.no_such_package", "{alternatives}: this distribution's archive has no such package, or cannot be reached.",
                        alternatives=alternatives,
                    ),
                    say("remedy.try_install_one", "Try: apt-get install {what}", what=alternatives.split("|")[0]),
                )  # fmt: skip
            chosen.append(known)
        return tuple(chosen)

    def _resolvable(self, name: str) -> bool:
        return self.run("install", "--print-uris", "-qq", "-y", name).returncode == 0

    def resolve(self, names: tuple[str, ...]) -> list[_Download]:
        """List the closure of the packages."""
        done = self.run("install", "--print-uris", "-qq", "-y", *names)
        if done.returncode:
            raise Missing(
                say("fetch.unresolved", "apt-get cannot resolve {names}: {told}", names=" ".join(names), told=_complaint(done)),
                say("remedy.try_install", "Try: apt-get install {names}", names=" ".join(names)),
            )  # fmt: skip
        return parse_uris(done.stdout)

    def download(self, downloads: list[_Download], folder: Path) -> None:
        """Fetch the packages into ``folder``; apt verifies their hashes against the signed index."""
        names = [f"{each.package}={each.version}" for each in downloads]
        seconds = ASK_SECONDS + sum(each.size_bytes for each in downloads) / _SLOWEST_BYTES_PER_SECOND
        done = self.run("download", "-qq", *names, directory=folder, seconds=seconds)
        if len(list(folder.glob("*.deb"))) < len(downloads) or done.returncode:
            # The mirror may have moved on since the index was fetched.
            (self.state / "refreshed").unlink(missing_ok=True)
            raise Missing(
                say("fetch.failed", "The packages could not be fetched: {told}", told=_complaint(done)),
                say("remedy.run_again", "Run again when the package mirror answers."),
            )  # fmt: skip


def _overdue(what: str, seconds: float) -> Missing:
    return Missing(
        say("fetch.apt_slow", "apt-get {what} did not end in {seconds} s, and was ended.", what=what, seconds=f"{seconds:.0f}"),
        say("remedy.mirror_answers", "See whether the package mirror answers, then run again."),
    )  # fmt: skip


def _check_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise _overdue("update", INDEX_FETCH_SECONDS)


def _check_room(folder: Path) -> None:
    if shutil.disk_usage(folder).free < _LEAST_ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def parse_uris(text: str) -> list[_Download]:
    """Parse the output of ``apt-get --print-uris``: ``'URI' FILE SIZE HASH``, FILE being ``name_version_arch.deb``."""
    downloads = []
    for line in text.splitlines():
        match = re.match(r"'[^']+' ([^_ ]+)_([^_ ]+)_([^_ ]+)\.deb (\d+)( |$)", line)
        if match:
            name, version, architecture, size = match.groups()[:4]
            downloads.append(_Download(name, urllib.parse.unquote(version), architecture, int(size)))
    return downloads


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Quote the first line in which apt says what is wrong."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.startswith(("E:", "W:", "Err"))]
    return lines[0] if lines else last_words(done.stderr, done.returncode)
