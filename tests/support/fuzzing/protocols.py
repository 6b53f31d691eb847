"""Damage what other programs answer: the agent, the launcher, QEMU's monitor, engines, kubectl, tools that measure."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from support.fuzzing.mutators import ODD_BYTES, damaged, json_lines, json_text
from support.paths import GOLDEN
from tare.bench.workloads.listing import WORKLOADS
from tare.runners.agent.session import AgentSession
from tare.runners.agent.wire import Frame, Reader, Tag, Type, WireError, decode, encode
from tare.runners.containers.engines import podman
from tare.runners.containers.engines.api import DockerApi
from tare.runners.containers.kubernetes.watch import Documents
from tare.runners.guests.qemu.qmp import Qmp
from tare.runners.launcher.protocol import decode as decode_reply
from tare.runners.model import Job, JobResult

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

INPUT = "input"


def _field(tag: int, data: bytes) -> bytes:
    return bytes([tag]) + len(data).to_bytes(4, "little") + data


def _answers(chance: Random) -> bytes:
    """Make frames as agents send them, with fields left out, of wrong sizes, and of any order."""
    frames = []
    for _ in range(chance.randint(1, 6)):
        payload = b"".join(
            _field(
                tag,
                chance.randbytes(chance.choice((8, 8, 8, 0, 1, 4, 144, 300)))
                if chance.random() < 0.5
                else bytes(8),
            )
            for tag in Tag
            if chance.random() < 0.85
        )
        frames.append(encode(Frame(chance.choice([*Type, 0, 99]), chance.choice((1, 2, 3, 2**31)), payload)))
    return b"".join(frames)


def agent(folder: Path, chance: Random) -> list[str]:
    """Write what an agent might send."""
    data = _answers(chance)
    (folder / INPUT).write_bytes(damaged(data, chance) if chance.random() < 0.5 else data)
    return []


def use_agent(folder: Path) -> None:
    """Decode it, and let a session meet it; the channel ends behind it."""
    data = (folder / INPUT).read_bytes()
    for frame in Reader().feed(data):
        try:
            decode(frame)
        except WireError:
            continue
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        try:
            theirs.send(data)
        except BlockingIOError:
            return
        theirs.shutdown(socket.SHUT_WR)
        session = AgentSession(ours, same_clock=len(data) % 2 == 0)
        session.hello(0.5)
        session.run(Job(("x",), timeout_seconds=0.1))


def launcher(folder: Path, chance: Random) -> list[str]:
    """Write a packet as the launcher might send it."""
    kind = chance.choice((17, 18, 19, 20, 0, 99))
    words = [
        chance.choice((0, 1, 7, 2**63, 2**64 - 1)) for _ in range(chance.choice((0, 1, 2, 3, 4, 22, 24, 30)))
    ]
    data = struct.pack(f"={len(words) + 1}Q", kind, *words)
    (folder / INPUT).write_bytes(damaged(data, chance) if chance.random() < 0.3 else data)
    return []


def use_launcher(folder: Path) -> None:
    """Decode it."""
    decode_reply((folder / INPUT).read_bytes())


QMP = (
    b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}\n'
    b'{"return": {}}\n'
    b'{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESUME"}\n'
    b'{"return": {"status": "running", "singlestep": false, "running": true}}\n'
    b'{"error": {"class": "GenericError", "desc": "no"}}\n'
)


def qmp(folder: Path, chance: Random) -> list[str]:
    """Write what QEMU's monitor might say."""
    (folder / INPUT).write_bytes(json_lines(QMP, chance))
    return []


def use_qmp(folder: Path) -> None:
    """Ask it for its state and for an event."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        try:
            theirs.send((folder / INPUT).read_bytes())
        except BlockingIOError:
            return
        theirs.shutdown(socket.SHUT_WR)
        monitor = Qmp(ours)
        monitor.ask("query-status", timeout_seconds=0.2)
        monitor.human("info version", timeout_seconds=0.2)
        monitor.event("SHUTDOWN", timeout_seconds=0.2)


ENGINE = (
    b'{"Id": "ab", "RootFS": {"Layers": ["sha256:1"]}, "Name": "c", "Status": "start", "Time": "2026-11-23T19:17:48.123456789Z"}\n'
    b'{"status": "start", "id": "c", "time": 1700000000, "timeNano": 1700000000000000001, "error": null, "message": "no"}\n'
)


def engine(folder: Path, chance: Random) -> list[str]:
    """Write what Docker or Podman might answer."""
    (folder / INPUT).write_bytes(json_lines(ENGINE, chance))
    return []


def use_engine(folder: Path) -> None:
    """Read it as each of the answers that engines give."""
    text = (folder / INPUT).read_bytes().decode("utf-8", "replace")
    podman.events(text, "c")
    api = DockerApi("/nonexistent")
    asked: list[Any] = [
        api.version,
        api.layers,
        lambda: api.events("c", 0.0, 1.0),
        lambda: api.load([b""]),
    ]
    with patch.object(DockerApi, "_call", lambda *_args, **_words: text):
        for ask in asked:
            _foreseen(ask)


def _foreseen(ask: Any) -> None:
    from tare.runners.errors import TareError  # noqa: PLC0415

    try:
        ask()
    except TareError:
        return


def kubernetes(folder: Path, chance: Random) -> list[str]:
    """Write what ``kubectl get --watch`` might print."""
    data = (GOLDEN / "kubernetes" / chance.choice(("events.json", "nodes.json"))).read_bytes()
    (folder / INPUT).write_bytes(json_text(data, chance))
    return []


def use_kubernetes(folder: Path) -> None:
    """Split it into documents, arriving in two pieces."""
    data = (folder / INPUT).read_bytes()
    documents = Documents()
    for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
        list(documents.feed(piece))


def tool_output(folder: Path, chance: Random) -> list[str]:
    """Write what a tool that measures might print."""
    names = sorted(one.name for one in WORKLOADS if (GOLDEN / "tool_output" / f"{one.name}.stdout").exists())
    name = chance.choice(names)
    (folder / "name").write_text(name)
    for stream in ("stdout", "stderr"):
        data = (GOLDEN / "tool_output" / f"{name}.{stream}").read_bytes()
        if chance.random() < 0.6:
            data = json_text(data, chance) if b"{" in data else damaged(data, chance)
        (folder / stream).write_bytes(data if chance.random() < 0.95 else chance.choice(ODD_BYTES))
    return []


def use_tool_output(folder: Path) -> None:
    """Parse it to metrics."""
    name = (folder / "name").read_text()
    workload = next(one for one in WORKLOADS if one.name == name)
    out, err = ((folder / stream).read_bytes() for stream in ("stdout", "stderr"))
    workload.metrics(JobResult(0, None, False, 0, 250_000_000, 0.25, None, out, err, len(out), len(err)))
