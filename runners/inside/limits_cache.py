"""Verify the limits of a runner once on a host, and remember what was found for the runs after it.

Verifying uses as much memory as a place may have, so it is not repeated in every run. What was found holds for this boot
and for the same runner, version of its program, limits, settings, user, CPUs and cgroup, and for the same code of the
suite; any change makes it verified anew, and so does a day. A guest's image counts, too, as it may be in the guest's
memory; elsewhere it does not, so that each new command of the user's own is no reason. The record says when it was
verified.
"""

from __future__ import annotations

import functools
import hashlib
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

import tare.runners
from tare.results.environment import LimitsSeen
from tare.results.judgement.limits import conclusive
from tare.results.storage.atomic import write_whole
from tare.runners.host.files import read
from tare.runners.host.processes import boot_id
from tare.runners.inside.limits import verify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.model import Limits, Probe
    from tare.runners.settings import RunnerSettings

OLDEST = timedelta(days=1)
"""Age beyond which findings are not used: an engine's configuration may have changed behind the same version."""
_CODE = (".py", ".c", ".h")


class Circumstances(msgspec.Struct, frozen=True):
    """Everything besides the host that decides which limits a runner's places have."""

    image: Image
    limits: Limits
    probe: Probe
    settings: RunnerSettings
    tools: Mapping[str, str]
    """Programs that were named by the user: name → path."""


def verify_once(cache: Path, runner: Runner, circumstances: Circumstances) -> LimitsSeen:
    """Return what an earlier run found under the same circumstances, else verify the limits and remember them.

    Raises:
        TareError: the place cannot be opened, or is lost.
    """
    kept = cache / "limits" / f"{_key(runner, circumstances)}.json"
    now = datetime.now(UTC)
    if (known := _read(kept)) is not None and timedelta() <= now - _when(known) <= OLDEST:
        return known
    found = verify(runner, circumstances.limits)
    if boot_id() and conclusive(circumstances.limits, found):
        _write(kept, replace(found, verified=now.isoformat(timespec="seconds")))
    return found


def _key(runner: Runner, circumstances: Circumstances) -> str:
    """Hash what findings depend on. A host that does not tell its boot has no lasting key, so nothing is stored."""
    parts = (
        boot_id(),
        runner.label,
        circumstances.image.key if runner.accelerator != "none" else "",
        circumstances.limits,
        circumstances.probe.facts,
        circumstances.probe.steps,
        circumstances.settings,
        sorted(circumstances.tools.items()),
        [_version_of(path) for path in _named_files(circumstances)],
        os.getuid(),
        sorted(os.sched_getaffinity(0)),
        read(Path("/proc/self/cgroup")),
        code_digest(),
    )
    return hashlib.sha256("\0".join(map(repr, parts)).encode("utf-8", "surrogateescape")).hexdigest()


def _named_files(circumstances: Circumstances) -> list[str]:
    guest = circumstances.settings.guest
    named: list[Any] = [*circumstances.tools.values(), guest.kernel, guest.qemu, guest.firecracker]
    return [str(path) for path in (*named, guest.cloud_hypervisor) if path]


def _version_of(path: str) -> tuple[int, int] | None:
    """Tell a program that was built anew under the same path and version from the one before."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a name that is no path is no error here
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


@functools.cache
def code_digest(folder: Path = Path(tare.runners.__file__).parent) -> str:
    """Hash names, sizes and times of change of the suite's code that makes places and verifies their limits."""
    digest = hashlib.sha256()
    for above, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.endswith(_CODE):
                file = os.path.join(above, name)  # noqa: PTH118 - as os.walk gives it
                digest.update(os.fsencode(f"{file}\0{_version_of(file)}\0"))
    return digest.hexdigest()


def _read(path: Path) -> LimitsSeen | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=LimitsSeen)
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
        return None


def _when(known: LimitsSeen) -> datetime:
    """Read when findings were made; the beginning of time if that is damaged, so that they are too old."""
    try:
        return datetime.fromisoformat(known.verified).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def _write(path: Path, found: LimitsSeen) -> None:
    """Store findings, and remove those that are too old. Not being able to is no failure: they will be found again."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for kept in path.parent.iterdir():
            if time.time() - kept.stat().st_mtime > OLDEST.total_seconds():
                kept.unlink(missing_ok=True)
        write_whole(path, msgspec.json.encode(found))
    except OSError:
        return
