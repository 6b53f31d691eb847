"""Put PostgreSQL into an image: from the distribution's archive, with a data folder made beforehand."""

from __future__ import annotations

import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

from tare.results.said import say
from tare.results.scratch import scratch_folder
from tare.runners.errors import Missing
from tare.runners.host.endings import last_words
from tare.runners.host.programs import run_quietly
from tare.runners.images.recipe import FETCHED_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tare.runners.provision.cache import Cache
    from tare.runners.provision.tools import Provision, Tool

DATA = "srv/data.tar"
"""Path of the data folder's tar in the image."""
CONFIGURATION = "srv/postgresql.conf"
"""Path of the configuration in the image."""
_INITDB_SECONDS = 120

_SETTINGS = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
timezone = 'GMT'
log_timezone = 'GMT'
jit = off
tare.version = '{version}'
"""


def configuration(version: str) -> bytes:
    """Return the configuration by which a server knows its version."""
    return _SETTINGS.replace("{version}", version).encode()


def runtime(postgres: Tool) -> dict[str, Path]:
    """List what the server opens besides its libraries: path in the image → file."""
    return {
        f"{FETCHED_PREFIX.lstrip('/')}/{path.relative_to(postgres.root)}": path
        for path in sorted(_opened(postgres))
        if path.is_file()
    }


def _opened(postgres: Tool) -> Iterator[Path]:
    version = postgres.path.parents[1].name
    yield from (postgres.root / "usr/share/postgresql" / version).rglob("*")
    for path in (postgres.root / "usr/lib/postgresql" / version / "lib").glob("*.so"):
        if not path.name.startswith("llvmjit"):
            yield path


def data(provision: Provision, store: Cache) -> Path:
    """Make a tar of a fresh data folder, or take it from the cache. It differs from host to host: initdb draws an id.

    PostgreSQL refuses to run as root, and the suite must work without another user: root runs initdb in a user
    namespace, as an ordinary user there.

    Raises:
        Missing: this host permits no user namespace, or initdb fails.
    """
    initdb, postgres = provision.tool("initdb"), provision.tool("postgres")

    def make(folder: Path) -> Mapping[str, Any]:
        with scratch_folder("initdb") as temporary:
            _initdb(initdb, postgres, temporary)
            with tarfile.open(folder / "data.tar", "w", format=tarfile.PAX_FORMAT) as archive:
                archive.add(temporary / "data", "data", filter=_plain)
        return {"version": postgres.version}

    return store.entry("postgres-data", f"{postgres.version} {postgres.package}", make).path / "data.tar"


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def _initdb(initdb: Tool, postgres: Tool, folder: Path) -> None:
    """Run initdb where ``postgres`` is a script: initdb executes the server beside itself and knows of no loader."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "initdb").write_bytes(initdb.path.read_bytes())
    (programs / "initdb").chmod(0o755)
    quoted = " ".join(f"'{word}'" for word in postgres.argv())
    (programs / "postgres").write_text(f'#!/bin/sh\nexec {quoted} "$@"\n', "utf-8")
    (programs / "postgres").chmod(0o755)
    loader, *options = initdb.prefix
    share = postgres.root / "usr/share/postgresql" / postgres.path.parents[1].name
    argv = [
        *(("unshare", "--map-user=1000", "--map-group=1000") if os.getuid() == 0 else ()),
        *(loader, *options, str(programs / "initdb")),
        *("-D", str(folder / "data"), "-L", str(share), "-U", "postgres", "--no-locale", "-E", "UTF8"),
        *("--auth=trust", "--wal-segsize=1", "--no-sync"),
    ]
    try:
        done = run_quietly(
            argv,
            env={"PATH": "/usr/bin:/bin", "TZ": "GMT", "LC_ALL": "C", "HOME": str(folder)},
            timeout=_INITDB_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(
            say("apps.initdb_not_run", "initdb cannot be run: {error}.", error=error), _REMEDY
        ) from error
    if done.returncode:
        raise Missing(
            say(
                "apps.initdb_failed",
                "initdb failed: {told}.",
                told=last_words(done.stderr or done.stdout, done.returncode),
            ),
            _REMEDY,
        )


_REMEDY = say(
    "remedy.user_namespaces",
    "Permit user namespaces (`tare doctor`), or run as an ordinary user.",
)
