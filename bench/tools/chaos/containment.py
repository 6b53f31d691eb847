"""Contain what may harm a host: an unprivileged user, namespaces of its own, limits of processes and memory.

The outer half (:func:`contained`) runs as root: it makes the cgroups and starts the inner half as a user that owns
nothing, in new user, PID, mount, net, IPC and UTS namespaces, in which this user has capabilities. The inner half
(:func:`verify`) runs there as PID 1. It makes everything read-only but its own folder and checks what it can see from
inside; unless all of that holds, it refuses to go on.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

USER = 61234
"""Uid and gid of the inner half; nothing on the host belongs to them but the session's folder."""
PIDS = 256
MEMORY_BYTES = 1 << 30
_V1 = Path("/sys/fs/cgroup")
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_LOCKED = {"nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "relatime": 1 << 21}
"""Mount options that a user namespace may not take away, with their flags."""


class UncontainedError(TareError):
    """Something that should hold a hostile job back is not there; no hostile job is run."""


@contextmanager
def limits(name: str) -> Iterator[tuple[Path, ...]]:
    """Make cgroups with the limits, for as long as the context lasts; what is left in them is killed.

    Yields:
        The folders to join: one for v2, or one for each controller of v1.
    """
    if (_V1 / "cgroup.controllers").exists():
        wanted = {
            _V1 / name: {"pids.max": str(PIDS), "memory.max": str(MEMORY_BYTES), "memory.swap.max": "0"}
        }
    else:
        wanted = {
            _V1 / "pids" / name: {"pids.max": str(PIDS)},
            _V1 / "memory" / name: {"memory.limit_in_bytes": str(MEMORY_BYTES)},
        }
    made: list[Path] = []
    try:
        for folder, values in wanted.items():
            folder.mkdir()
            made.append(folder)
            for file, value in values.items():
                if (folder / file).exists():
                    (folder / file).write_text(value)
        yield tuple(made)
    except OSError as error:
        raise UncontainedError(
            f"the limits of a contained place cannot be set: {error}; run as root"
        ) from error
    finally:
        for folder in made:
            _emptied(folder)


def _emptied(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        for pid in (folder / "cgroup.procs").read_text().split():
            try:
                os.kill(int(pid), 9)
            except ProcessLookupError:
                continue
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def contained(
    command: Sequence[str],
    folder: Path,
    groups: Sequence[Path],
    environ: Mapping[str, str],
    *,
    seconds: float,
) -> tuple[int | None, str]:
    """Run a command in a contained place; return its exit code (``None``: killed after ``seconds``) and its output.

    Args:
        command: begins with the Python that runs the inner half.
        folder: the one folder that it may write to; owned by :data:`USER`.
        groups: the cgroups of :func:`limits`.
        environ: the environment.
        seconds: time limit.
    """
    for tool in ("unshare", "setpriv"):
        if shutil.which(tool) is None:
            raise UncontainedError(f"{tool} is missing: `apt-get install util-linux`")
    # The shell joins the cgroups and becomes the command: nothing runs outside of them.
    joined = "".join(f'echo $$ > "{group}/cgroup.procs" || exit 97; ' for group in groups)
    words = [
        *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--"),
        *(
            "unshare",
            "--map-current-user",
            "--keep-caps",
            "--fork",
            "--kill-child",
            "--pid",
            "--mount",
            "--mount-proc",
        ),
        *("--net", "--ipc", "--uts", "--", *command),
    ]
    log = folder / "output"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f'{joined}exec "$@"', "sh", *words],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=dict(environ), cwd=folder, start_new_session=True,
        )  # fmt: skip
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
            process.kill()  # and with it, by --kill-child, PID 1 and all of its namespace
            process.wait()
    return code, log.read_text("utf-8", "replace")[-4000:]


def verify(folder: Path, groups: Sequence[Path], host_pid_namespace: str) -> None:
    """Close the inner half in, and check it.

    Raises:
        UncontainedError: something does not hold; the message says what.
    """
    _check_namespaces(host_pid_namespace)
    _check_limits(groups)
    _close(folder)
    for path in ("/etc/passwd", "/var/tmp/x", "/tmp/x", "/root/x", "/usr/bin/env"):  # noqa: S108 - probes
        if os.access(path, os.W_OK) or (
            not Path(path).name.strip("x") and os.access(Path(path).parent, os.W_OK)
        ):
            raise UncontainedError(f"{path} can be written")


def _check_namespaces(host_pid_namespace: str) -> None:
    if os.getpid() != 1:
        raise UncontainedError("this is not PID 1 of a PID namespace")
    if str(Path("/proc/self/ns/pid").readlink()) == host_pid_namespace:
        raise UncontainedError("the PID namespace is the host's")
    others = [path.name for path in Path("/proc").iterdir() if path.name.isdigit() and path.name != "1"]
    if others:
        raise UncontainedError(f"other processes can be seen: {others[:5]}")
    if os.getuid() != USER or USER not in map(int, Path("/proc/self/uid_map").read_text().split()[:2]):
        raise UncontainedError(f"the user is {os.getuid()} and not the one that owns nothing")
    if Path("/proc/net/dev").read_text().count(":") != 1:
        raise UncontainedError("there are network devices besides the loopback")


def _check_limits(groups: Sequence[Path]) -> None:
    for group in groups:
        if "1" not in (group / "cgroup.procs").read_text().split():
            raise UncontainedError(f"this process is not in {group}")
        for file, most in (
            ("pids.max", PIDS),
            ("memory.max", MEMORY_BYTES),
            ("memory.limit_in_bytes", MEMORY_BYTES),
        ):
            if (group / file).exists() and not 0 < int(
                (group / file).read_text().replace("max", "0")
            ) <= most:
                raise UncontainedError(f"{group / file} is not limited")
    if not {"pids.max"} & {file.name for group in groups for file in group.iterdir()}:
        raise UncontainedError("nothing limits the number of processes")


def _close(folder: Path) -> None:
    """Make every mount read-only but the folder, which becomes a mount of its own."""
    _mount("none", "/", _MS_REC | _MS_PRIVATE)
    _mount(str(folder), str(folder), _MS_BIND | _MS_REC)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        point, options = fields[4].encode().decode("unicode_escape"), fields[5].split(",")
        if point == str(folder) or point.startswith("/proc"):
            continue
        kept = sum(flag for name, flag in _LOCKED.items() if name in options)
        try:
            _mount("none", point, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | kept)
        except OSError:
            if os.access(point, os.W_OK):
                raise
    os.chdir(folder)
    # What is started from here is an ordinary user again.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0):
        raise UncontainedError("the capabilities cannot be dropped")


def _mount(source: str, target: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)
