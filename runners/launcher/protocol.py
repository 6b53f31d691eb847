"""Encode requests to the launcher and decode its replies; ``launcher.c`` documents both.

Every packet is a sequence of u64 in the machine's byte order; a SPAWN has texts in it as well.
"""

from __future__ import annotations

import functools
import os
import struct
from typing import TYPE_CHECKING

import msgspec

from tare.results.said import listed, say
from tare.runners.launcher.processes import Gone, LauncherError, Spawned, SpawnError
from tare.runners.launcher.steps.base import count_instructions, encode_text
from tare.runners.model import Usage

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.launcher.processes import SpawnRequest
    from tare.runners.launcher.steps.base import Step

MAX_PACKET_BYTES = 192 << 10
"""``MAX_PACKET`` of launcher.c."""
REPLY_BYTES = 512
"""More than the longest reply has."""

_SPAWN, _KILL, _PING, _SPAWNED, _FAILED, _GONE, _PONG = 1, 2, 3, 17, 18, 19, 20
_SWEEP, _QUIET = 1, 2
_FAILED_TO_CLONE, _FAILED_TO_EXEC, _FAILED_TO_ENTER = -1, -2, -3


class Pong(msgspec.Struct, frozen=True):
    """The launcher's answer to a ping."""


class Failed(msgspec.Struct, frozen=True):
    """A process that could not be made, or that failed before its program ran."""

    id: int
    step: int
    """Index of the step that was refused, or one of the ``_FAILED_TO_…``."""
    errno: int

    def explain(self, request: SpawnRequest) -> SpawnError:
        """Name the step of the request that was refused."""
        return SpawnError(_what_failed(request, self.step), self.errno, program=self.step == _FAILED_TO_EXEC)


Reply = Pong | Spawned | Gone | Failed


def encode_spawn(number: int, request: SpawnRequest, null: int, opened: list[int]) -> tuple[bytes, list[int]]:
    """Encode a request for a process.

    Args:
        number: its id in replies.
        request: the process to make.
        null: a file descriptor of ``/dev/null``.
        opened: takes the file descriptors that are opened here, to be closed after the packet was sent.

    Returns:
        The packet, and the file descriptors to pass along, in the order in which launcher.c counts them.

    Raises:
        OSError: a file of the request cannot be opened.
    """

    def path_fd(path: Path | str, flags: int) -> int:
        opened.append(os.open(path, flags | os.O_CLOEXEC))
        return opened[-1]

    targets = {0: null, 1: null, 2: null} | dict(request.fds)
    program = [request.program] if isinstance(request.program, int) else []
    fds = [
        *targets.values(),
        *program,
        *((path_fd(request.cgroup, os.O_RDONLY | os.O_DIRECTORY),) if request.cgroup else ()),
        *(path_fd(enter, os.O_WRONLY) for enter, _ in request.tasks),
        *(path_fd(home, os.O_WRONLY) for _, home in request.tasks),
        *(path_fd(os.path.dirname(folder), os.O_PATH | os.O_DIRECTORY) for folder in request.remove),  # noqa: PTH120
    ]
    flags, count, body = _encoded_all(request.steps)
    options = _SWEEP * request.sweep | _QUIET * request.quiet
    head = struct.pack(
        "=12Q",
        *(_SPAWN, number, flags, options, len(request.argv), len(request.environ)),
        *(len(targets), len(program), int(request.cgroup is not None)),
        *(len(request.tasks), len(request.remove), count),
    )
    path = request.argv[0] if request.program is None else request.program
    texts = [
        "" if isinstance(path, int) else path,
        *request.argv,
    ]
    places = struct.pack(f"={len(targets)}Q", *targets)
    removed = b"".join(encode_text(folder.name) for folder in request.remove)
    environ = _environment(tuple(request.environ.items()))
    return head + b"".join(map(encode_text, texts)) + environ + removed + places + body, fds


@functools.lru_cache(maxsize=64)
def _environment(variables: tuple[tuple[str, str], ...]) -> bytes:
    """Encode the environment, which is the same for all places of a runner."""
    return b"".join(encode_text(f"{name}={value}") for name, value in variables)


@functools.lru_cache(maxsize=64)
def _encoded_all(steps: tuple[Step, ...]) -> tuple[int, int, bytes]:
    """Encode steps, which are the same for many places; return the flags for clone3(2) and the number of instructions, too."""
    flags = count = 0
    bodies = []
    for index, step in enumerate(steps):
        instructions, of_them = _encoded(step, index)
        flags |= step.clone_flags
        count += of_them
        bodies.append(instructions)
    return flags, count, b"".join(bodies)


@functools.lru_cache(maxsize=1024)
def _encoded(step: Step, index: int) -> tuple[bytes, int]:
    """Encode a step, and count its instructions: of the 40 steps of a container, all but one are those of the last one."""
    instructions = step.encode(index)
    return instructions, count_instructions(instructions)


def encode_kill(number: int, signal: int) -> bytes:
    """Encode a request to send a signal to a process."""
    return struct.pack("=3Q", _KILL, number, signal)


def encode_ping() -> bytes:
    """Encode a request that is answered by :class:`Pong`."""
    return struct.pack("=2Q", _PING, 0)


def decode(packet: bytes) -> Reply:
    """Decode one reply of the launcher.

    Raises:
        LauncherError: the launcher sends no such packet.
    """
    try:
        return _decoded(packet)
    except (ValueError, TypeError, IndexError, struct.error) as error:
        raise LauncherError(
            say(
                "launcher.odd_packet",
                "tare's launcher replied with a packet that it never sends ({error}); start the run again",
                error=error,
            )
        ) from error


def _decoded(packet: bytes) -> Reply:
    kind, number, *words = struct.unpack(f"={len(packet) // 8}Q", packet)
    if kind == _SPAWNED:
        return Spawned(number, *words)
    if kind == _GONE:
        status, reaped, gone, error, *usage = words
        return Gone(number, status, reaped, gone, error, Usage.from_rusage(usage))
    if kind == _FAILED:
        return Failed(number, *struct.unpack("=2q", struct.pack("=2Q", *words)))
    if kind == _PONG:
        return Pong()
    raise ValueError(f"unknown kind {kind}")


def _what_failed(request: SpawnRequest, step: int) -> str:
    name = request.argv[0]
    if step == _FAILED_TO_CLONE:
        kinds = [part.describe() for part in request.steps if part.clone_flags]
        if not kinds:
            return say("launcher.no_process", "cannot make the process {name}", name=name)
        told = listed(kinds, ", ")
        return say(
            "launcher.no_process_with", "cannot make the process {name} with {kinds}", name=name, kinds=told
        )
    if step == _FAILED_TO_EXEC:
        return say("launcher.no_program", "cannot start the program {name}", name=name)
    if step == _FAILED_TO_ENTER:
        folders = ", ".join(str(enter.parent) for enter, _ in request.tasks)
        return say(
            "launcher.no_cgroups", "cannot enter the cgroups {folders} for {name}", folders=folders, name=name
        )
    told = request.steps[step].describe()
    return say("launcher.step", "step {number} of {name}, {step}", number=step + 1, name=name, step=told)
