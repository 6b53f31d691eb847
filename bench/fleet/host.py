"""Carry out an assignment on a host: start its run, hand over what it stores, end it when it is not wanted any more.

Nothing of Dask is needed here: whoever calls gives the functions that send and that tell whether to stop.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from tare.bench.fleet.messages import ORIGINS, Assignment, Chunk, Ended, HostFacts
from tare.results.origins import Said
from tare.results.storage.load import MANIFEST, TRIALS
from tare.runners.host.facts import host_class, host_facts
from tare.runners.provision.cache import default_cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIGN_SECONDS = 10.0
"""Time without news after which a sign of life is sent."""

LOOK_SECONDS = 0.5
"""Time between two looks at what the run has stored. A look costs the host some 50 µs."""

END_SECONDS = 90.0
"""Time that a run may take to clean up after it was told to end, before it is killed."""

KEEP_SECONDS = 14 * 86400.0
"""Age at which the copy of a run that was never fetched to its end is removed, when the host joins another campaign."""

_MOST_BYTES = 4 << 20
"""Bytes that are handed over at once."""

_SAID = "said.txt"
_SAID_BYTES = 4096


def facts() -> HostFacts:
    """Say who this host is; first remove copies of runs that nobody has gone on with for long."""
    _sweep(default_cache() / "fleet", time.time() - KEEP_SECONDS)
    return HostFacts(
        host=socket.gethostname(), host_class=host_class(host_facts()), version=version("tarebench")
    )


def folder_of(assignment: Assignment) -> Path:
    """Give the folder of this host that an assignment's run is made in; it outlives the worker, for a resumption."""
    name = re.sub(r"[^\w.-]", "_", assignment.host)
    campaign = re.sub(r"[^\w.-]", "_", assignment.campaign)
    return default_cache() / "fleet" / campaign / f"{name}-{assignment.number}"


def measure(
    assignment: Assignment,
    send: Callable[[Chunk], object],
    unwanted: Callable[[], bool],
    command: tuple[str, ...] = (sys.executable, "-m", "tare.bench.fleet.child"),
) -> Ended:
    """Make the run of an assignment in a process of its own, and send what it stores while it measures.

    Args:
        assignment: the order.
        send: takes each chunk.
        unwanted: asked now and then; once it says yes, the run is ended as by Ctrl-C.
        command: program that reads the assignment; this process's id is added to it.
    """
    folder = folder_of(assignment)
    folder.mkdir(parents=True, exist_ok=True)
    _restore(assignment, folder)
    outbox = _Outbox(folder, assignment.token, send, len(assignment.trials))
    (folder / ORIGINS).unlink(missing_ok=True)
    with (folder / _SAID).open("wb") as said:
        child = subprocess.Popen(
            (*command, str(os.getpid())), cwd=folder, stdin=subprocess.PIPE, stdout=said, stderr=said
        )
    try:
        with suppress(BrokenPipeError):  # it has ended already, and said why
            assert child.stdin is not None  # noqa: S101 - for mypy: it is a pipe
            child.stdin.write(msgspec.json.encode(assignment))
            child.stdin.close()
        while child.poll() is None:
            if unwanted():
                _end(child)
                break
            outbox.look()
            outbox.sign()
            time.sleep(LOOK_SECONDS)
    finally:
        if child.poll() is None:
            _end(child)
    outbox.look()
    return Ended(
        token=assignment.token,
        code=child.wait(),
        said=_last_line(folder / _SAID),
        run=outbox.run,
        size=outbox.sent,
        origins=_origins(folder / ORIGINS),
    )


def read_rest(assignment: Assignment, offset: int) -> Chunk:
    """Read what of a run's trials follows a position, for a director that missed some."""
    found: list[Chunk] = []
    _Outbox(folder_of(assignment), assignment.token, found.append, offset).look()
    return (
        found[0] if found else Chunk(token=assignment.token, run="", manifest=b"", offset=offset, lines=b"")
    )


def forget(assignment: Assignment) -> None:
    """Remove this host's copy of a run that the director has."""
    folder = folder_of(assignment)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # another run of the campaign is still there
        folder.parent.rmdir()


def _sweep(folder: Path, before: float) -> None:
    """Remove the campaigns below a folder in which nothing has changed since a moment."""
    for campaign in folder.glob("*"):
        with suppress(OSError):
            if max(path.stat().st_mtime for path in (campaign, *campaign.rglob("*"))) < before:
                shutil.rmtree(campaign)


def _restore(assignment: Assignment, folder: Path) -> None:
    """Make sure that the run to go on with is here, with all that the director has of it; else it begins anew."""
    for stale in folder.glob(f"*/{MANIFEST}"):
        if stale.parent.name != assignment.run:
            shutil.rmtree(stale.parent)
    if not assignment.run:
        return
    run = folder / assignment.run
    with suppress(OSError):
        if (run / MANIFEST).is_file() and (run / TRIALS).stat().st_size >= len(assignment.trials):
            return
    run.mkdir(exist_ok=True)
    (run / MANIFEST).write_bytes(assignment.manifest)
    (run / TRIALS).write_bytes(assignment.trials)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _origins(path: Path) -> dict[str, Said]:
    """Read what the child's error was made of; empty if it ended without one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Said])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _last_line(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _SAID_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("tare: ") if lines else ""


@dataclass(slots=True)
class _Outbox:
    """What of the run in a folder has been sent."""

    folder: Path
    token: str
    send: Callable[[Chunk], object]
    sent: int
    """Bytes of the trials that the director has."""
    run: str = ""
    manifest: bytes = b""
    last: float = field(default_factory=time.monotonic)
    """Moment when something was sent, or began."""

    def sign(self) -> None:
        """Send a sign of life if there has been no news for a while, such as while a guest's kernel is fetched."""
        if time.monotonic() - self.last >= SIGN_SECONDS:
            self._send(b"", b"")

    def _send(self, manifest: bytes, lines: bytes) -> None:
        self.send(Chunk(token=self.token, run=self.run, manifest=manifest, offset=self.sent, lines=lines))
        self.last = time.monotonic()

    def look(self) -> None:
        """Send all whole lines and the manifest, if there are new ones."""
        if not self.run:
            self.run = next((path.parent.name for path in self.folder.glob(f"*/{MANIFEST}")), "")
            if not self.run:
                return
        while True:
            manifest = (self.folder / self.run / MANIFEST).read_bytes()
            lines = self._lines()
            if not lines and manifest == self.manifest:
                return
            changed = b"" if manifest == self.manifest else manifest
            self._send(changed, lines)
            self.manifest, self.sent = manifest, self.sent + len(lines)

    def _lines(self) -> bytes:
        try:
            with (self.folder / self.run / TRIALS).open("rb") as file:
                file.seek(self.sent)
                found = file.read(_MOST_BYTES)
                if b"\n" not in found:
                    found += file.readline()
        except FileNotFoundError:
            return b""
        return found[: found.rfind(b"\n") + 1]
