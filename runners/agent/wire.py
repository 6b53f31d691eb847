"""Encode and decode what host and agent say to each other: frames, their fields, and messages.

``docs/wire-protocol.md`` describes the format; ``wire.h`` is the agent's half. Nothing here waits or opens anything.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tare.runners.model import Job

VERSION = 1
MAGIC = b"TARE"
MORE = 1
"""Flag of a frame: the job continues in the next one."""
SERVICE = 2
"""Flag of a job's frames: it runs beside the job, until it is killed."""
PAYLOAD_MAX = 65536
"""Bytes of the largest payload."""
NOISE_TAIL = 4096
"""Bytes of noise that are kept for failures' logs."""

_HEADER = struct.Struct("<4sBBHIII")
_CRC = struct.Struct("<I")
_FIELD = struct.Struct("<BI")
HEADER_BYTES = _HEADER.size + _CRC.size


class Type(IntEnum):
    """Kind of a frame; those from 64 on are the agent's."""

    PING = 1
    JOB = 2
    KILL = 3
    EXIT = 4
    HELLO = 64
    PONG = 65
    STARTED = 66
    OUTPUT = 67
    DONE = 68
    REFUSED = 69


class Tag(IntEnum):
    """Kind of a payload's field; all types of frame share the numbers."""

    ARGV = 1
    ENVIRON = 2
    DIRECTORY = 3
    STDIN = 4
    TIMEOUT = 5
    OUTPUT_LIMIT = 6
    SIZE = 7
    """Bytes of a job that spans frames, so that a lost frame is noticed."""
    CLOCK = 16
    READY = 17
    PID = 18
    FLAGS = 19
    SKIPPED = 20
    STREAM = 21
    DATA = 22
    STATUS = 23
    USAGE = 24
    STDOUT_TOTAL = 25
    STDERR_TOTAL = 26
    TEXT = 27
    STEAL = 28
    ORPHANS = 29
    THREAD = 30


GUEST_TICK_SECONDS = 0.01
"""Tick of ``/proc/stat``: USER_HZ is 100 on all architectures that guests run on (proc_stat(5))."""


class WireError(ValueError):
    """An undamaged frame whose content makes no sense: the other side is broken, not the line."""


class Frame(NamedTuple):
    """One complete and undamaged frame."""

    type: int
    sequence: int
    payload: bytes = b""
    flags: int = 0


class Hello(msgspec.Struct, frozen=True):
    """Message: the agent can take jobs. Times are its own ``CLOCK_MONOTONIC`` in ns."""

    born_ns: int
    """Time of its first instruction."""
    ready_ns: int
    pid: int
    is_pid_1: bool
    is_guest: bool
    skipped_bytes: int


class Pong(msgspec.Struct, frozen=True):
    """Message: the answer to the PING with the same sequence number."""

    sequence: int
    clock_ns: int
    skipped_bytes: int


class Started(msgspec.Struct, frozen=True):
    """Message: the job starts. ``clock_ns`` is just before its process is made."""

    sequence: int
    clock_ns: int


class Output(msgspec.Struct, frozen=True):
    """Message: output of the job. Stream 1 is stdout, 2 is stderr."""

    sequence: int
    stream: int
    data: bytes


class Done(msgspec.Struct, frozen=True):
    """Message: the job has ended. ``usage`` is ``struct rusage`` as 18 numbers, empty for the null job."""

    sequence: int
    clock_ns: int
    status: int
    timed_out: bool
    killed: bool
    usage: tuple[int, ...]
    stdout_total: int
    stderr_total: int
    error: str
    steal_ticks: int | None = None
    """Steal ticks counted by the guest's kernel during the job; ``None`` outside of guests and for the null job."""
    orphans_us: int = 0
    """CPU time in microseconds of the job's processes that the agent reaped because their parents had not."""
    thread_ns: tuple[int, int] | None = None
    """Nanoseconds that the job's first thread ran, and waited for a CPU; ``None`` if the agent could not read them."""


class Refused(msgspec.Struct, frozen=True):
    """Message: the agent refuses a frame or a job; sequence 0: it could not set up its place."""

    sequence: int
    text: str


Message = Hello | Pong | Started | Output | Done | Refused


def encode(frame: Frame) -> bytes:
    """Encode a frame; its payload may have up to :data:`PAYLOAD_MAX` bytes."""
    if len(frame.payload) > PAYLOAD_MAX:
        raise WireError(
            say(
                "wire.payload",
                "a payload of {payload} bytes is more than a frame takes",
                payload=len(frame.payload),
            )
        )
    crc = zlib.crc32(frame.payload)
    head = _HEADER.pack(MAGIC, VERSION, frame.type, frame.flags, frame.sequence, len(frame.payload), crc)
    return head + _CRC.pack(zlib.crc32(head)) + frame.payload


def pack_fields(fields: Iterable[tuple[int, bytes]]) -> bytes:
    """Encode a payload of tags and bytes."""
    return b"".join(_FIELD.pack(tag, len(value)) + value for tag, value in fields)


def unpack_fields(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Decode a payload; raises :class:`WireError` if a field is cut off."""
    at = 0
    while at < len(payload):
        if len(payload) - at < _FIELD.size:
            raise WireError(say("wire.cut", "the last field is cut off"))
        tag, length = _FIELD.unpack_from(payload, at)
        at += _FIELD.size
        if length > len(payload) - at:
            raise WireError(say("wire.field", "field {tag} is longer than its frame", tag=tag))
        yield tag, payload[at : at + length]
        at += length


def encode_job(job: Job, sequence: int, *, service: bool = False) -> bytes:
    """Encode a job as one frame or more; a ``service`` runs beside other jobs and has no time-out.

    Raises:
        WireError: an argument or variable has a NUL in it, which no program could be given.
    """
    fields = [(Tag.ARGV, _text(argument)) for argument in job.argv]
    fields += [(Tag.ENVIRON, _text(f"{name}={value}")) for name, value in job.environ.items()]
    fields += [
        (Tag.DIRECTORY, _text(job.directory)),
        (Tag.STDIN, job.stdin),
        (Tag.TIMEOUT, _u64(0 if service else round(job.timeout_seconds * 1e9))),
        (Tag.OUTPUT_LIMIT, _u64(job.output_limit_bytes)),
    ]
    payload, flags = pack_fields(fields), SERVICE if service else 0
    if len(payload) <= PAYLOAD_MAX:
        return encode(Frame(Type.JOB, sequence, payload, flags))
    size = len(payload) + _FIELD.size + 8
    payload = pack_fields([(Tag.SIZE, _u64(size))]) + payload
    parts = [payload[at : at + PAYLOAD_MAX] for at in range(0, size, PAYLOAD_MAX)]
    more = [encode(Frame(Type.JOB, sequence, part, flags | MORE)) for part in parts[:-1]]
    return b"".join([*more, encode(Frame(Type.JOB, sequence, parts[-1], flags))])


def _text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogateescape")
    if b"\0" in raw:
        raise WireError(say("wire.nul", "{value!r} has a NUL in it", value=value))
    return raw


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def decode(frame: Frame) -> Message:
    """Decode an agent's frame.

    Raises:
        WireError: an agent sends no such frame, or a field of its type is missing.
    """
    fields = dict(unpack_fields(frame.payload))

    def number(tag: Tag) -> int:
        if tag not in fields:
            raise WireError(
                say(
                    "wire.lacks",
                    "a frame of type {type} lacks its field {name}",
                    type=frame.type,
                    name=tag.name,
                )
            )
        return int.from_bytes(fields[tag], "little")

    match frame.type:
        case Type.HELLO:
            flags = number(Tag.FLAGS)
            return Hello(
                born_ns=number(Tag.CLOCK),
                ready_ns=number(Tag.READY),
                pid=number(Tag.PID),
                is_pid_1=bool(flags & 1),
                is_guest=bool(flags & 2),
                skipped_bytes=number(Tag.SKIPPED),
            )
        case Type.PONG:
            return Pong(frame.sequence, number(Tag.CLOCK), number(Tag.SKIPPED))
        case Type.STARTED:
            return Started(frame.sequence, number(Tag.CLOCK))
        case Type.OUTPUT:
            stream = number(Tag.STREAM)
            if stream not in {1, 2}:
                raise WireError(say("wire.stream", "output on stream {stream}", stream=stream))
            return Output(frame.sequence, stream, fields.get(Tag.DATA, b""))
        case Type.DONE:
            return _done(frame.sequence, number, fields)
        case Type.REFUSED:
            return Refused(frame.sequence, fields.get(Tag.TEXT, b"").decode(errors="replace"))
    raise WireError(say("wire.type", "an agent does not send frames of type {type}", type=frame.type))


def _done(sequence: int, number: Callable[[Tag], int], fields: dict[int, bytes]) -> Done:
    flags = number(Tag.FLAGS)
    usage = fields.get(Tag.USAGE, b"")
    if len(usage) not in {0, 144}:
        raise WireError(say("wire.rusage", "a struct rusage of {usage} bytes", usage=len(usage)))
    return Done(
        sequence=sequence,
        clock_ns=number(Tag.CLOCK),
        status=number(Tag.STATUS),
        timed_out=bool(flags & 1),
        killed=bool(flags & 2),
        usage=tuple(value for (value,) in struct.iter_unpack("<q", usage)),
        stdout_total=number(Tag.STDOUT_TOTAL),
        stderr_total=number(Tag.STDERR_TOTAL),
        error=fields.get(Tag.TEXT, b"").decode(errors="replace"),
        steal_ticks=number(Tag.STEAL) if Tag.STEAL in fields else None,
        orphans_us=number(Tag.ORPHANS) if Tag.ORPHANS in fields else 0,
        thread_ns=_pair(fields[Tag.THREAD]) if Tag.THREAD in fields else None,
    )


def _pair(field: bytes) -> tuple[int, int]:
    if len(field) != 16:
        raise WireError(say("wire.thread", "the account of a thread in {field} bytes", field=len(field)))
    return int.from_bytes(field[:8], "little"), int.from_bytes(field[8:], "little")


class Reader:
    """Find frames in a stream of bytes that may hold anything else, too.

    All other bytes are skipped and counted in :attr:`skipped_bytes`; their end is kept in :attr:`noise`.
    """

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self.noise = b""
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take further bytes; return the frames that are complete now, in order."""
        waiting = self._waiting
        waiting += data
        frames: list[Frame] = []
        while True:
            start = waiting.find(MAGIC)
            if start < 0:
                # The last three bytes may be the beginning of a magic.
                self._skip(next(len(waiting) - n for n in (3, 2, 1, 0) if waiting.endswith(MAGIC[:n])))
                return frames
            self._skip(start)
            if len(waiting) < HEADER_BYTES:
                return frames
            _, version, type_, flags, sequence, length, crc = _HEADER.unpack_from(waiting)
            (head_crc,) = _CRC.unpack_from(waiting, _HEADER.size)
            sound = zlib.crc32(waiting[: _HEADER.size]) == head_crc
            if not sound or version != VERSION or length > PAYLOAD_MAX:
                self._skip(1)
                continue
            if len(waiting) < HEADER_BYTES + length:
                return frames
            payload = bytes(waiting[HEADER_BYTES : HEADER_BYTES + length])
            if zlib.crc32(payload) != crc:
                self._skip(1)
                continue
            del waiting[: HEADER_BYTES + length]
            frames.append(Frame(type_, sequence, payload, flags))

    def _skip(self, count: int) -> None:
        if count:
            self.noise = (self.noise + bytes(self._waiting[:count]))[-NOISE_TAIL:]
            self.skipped_bytes += count
            del self._waiting[:count]
