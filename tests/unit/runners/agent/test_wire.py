"""The wire's host half: what goes in comes out, and what is damaged never does."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.runners.agent.wire import (
    HEADER_BYTES,
    MORE,
    NOISE_TAIL,
    PAYLOAD_MAX,
    Done,
    Frame,
    Hello,
    Output,
    Reader,
    Refused,
    Tag,
    Type,
    WireError,
    decode,
    encode,
    encode_job,
    pack_fields,
    unpack_fields,
)
from tare.runners.model import Job

frames = st.builds(
    Frame,
    type=st.integers(0, 255),
    sequence=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=200),
    flags=st.integers(0, 65535),
)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Split data at the sizes given, as a slow line would hand it over."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


@given(st.lists(frames, max_size=5), st.lists(st.integers(1, 50), max_size=20))
def test_frames_come_out_as_they_went_in_however_they_are_cut(sent, sizes):
    reader = Reader()
    data = b"".join(map(encode, sent))
    assert [frame for piece in cut(data, sizes) for frame in reader.feed(piece)] == sent
    assert reader.skipped_bytes == 0


# No "T" at a gap's end: it might be taken for the beginning of a magic, and would rightly not be skipped yet.
noise = st.binary(max_size=100).filter(
    lambda data: b"TARE" not in data and not data.endswith((b"T", b"A", b"R"))
)


@given(st.lists(st.tuples(noise, frames), max_size=5), noise)
def test_noise_between_frames_is_skipped_and_counted(parts, rest):
    reader = Reader()
    data = b"".join(gap + encode(frame) for gap, frame in parts) + rest
    assert reader.feed(data) == [frame for _, frame in parts]
    gaps = b"".join(gap for gap, _ in parts) + rest
    assert reader.skipped_bytes == len(gaps)
    assert reader.noise == gaps[-NOISE_TAIL:]


@given(frames, frames, st.data())
def test_a_flipped_bit_costs_its_frame_only(damaged, sound, data):
    raw = bytearray(encode(damaged))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    assert Reader().feed(bytes(raw) + encode(sound)) == [sound]


@given(frames, frames, st.data())
def test_a_truncated_frame_never_comes_out(truncated, sound, data):
    raw = encode(truncated)
    raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    # What follows is first taken for the missing part; once that is there, the check sum tells.
    came = Reader().feed(raw + encode(sound) + bytes(HEADER_BYTES + 200))
    assert came == [sound]


@given(st.binary(max_size=2000))
def test_garbage_never_raises_and_is_all_accounted_for(garbage):
    reader = Reader()
    assert reader.feed(garbage) == []
    assert reader.skipped_bytes + len(reader._waiting) == len(garbage)


def test_noise_is_kept_in_bounds():
    reader = Reader()
    reader.feed(bytes(10 * NOISE_TAIL) + b"panic")
    assert len(reader.noise) == NOISE_TAIL
    assert reader.noise.endswith(b"panic")


def test_an_oversized_length_is_noise_although_its_check_sum_is_right(monkeypatch):
    monkeypatch.setattr("tare.runners.agent.wire.PAYLOAD_MAX", PAYLOAD_MAX + 1)
    raw = encode(Frame(1, 1, bytes(PAYLOAD_MAX + 1)))
    monkeypatch.undo()
    reader = Reader()
    assert reader.feed(raw + encode(Frame(2, 2))) == [Frame(2, 2)]
    assert reader.skipped_bytes == len(raw)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=50))))
def test_fields_come_out_as_they_went_in(fields):
    assert list(unpack_fields(pack_fields(fields))) == fields


@given(st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=300))
def test_any_content_is_a_message_or_a_wire_error(type_, sequence, payload):
    with contextlib.suppress(WireError):
        decode(Frame(type_, sequence, payload))


def number(tag: int, value: int, size: int = 8) -> tuple[int, bytes]:
    return tag, value.to_bytes(size, "little")


def test_messages_are_read_and_unknown_fields_passed_over():
    fields = [number(Tag.CLOCK, 5), number(Tag.READY, 7), number(Tag.PID, 1, 4), number(Tag.FLAGS, 3, 4)]
    payload = pack_fields([*fields, number(Tag.SKIPPED, 9), (200, b"from the future")])
    assert decode(Frame(Type.HELLO, 0, payload)) == Hello(5, 7, 1, True, True, 9)
    output = pack_fields([number(Tag.STREAM, 2, 1), (Tag.DATA, b"\xff\0")])
    assert decode(Frame(Type.OUTPUT, 4, output)) == Output(4, 2, b"\xff\0")
    assert decode(Frame(Type.REFUSED, 4, pack_fields([(Tag.TEXT, b"no \xff")]))) == Refused(4, "no \ufffd")


def test_done_with_half_a_rusage_is_nonsense():
    numbers = [
        number(tag, 0) for tag in (Tag.CLOCK, Tag.STATUS, Tag.FLAGS, Tag.STDOUT_TOTAL, Tag.STDERR_TOTAL)
    ]
    assert isinstance(decode(Frame(Type.DONE, 1, pack_fields(numbers))), Done)
    with pytest.raises(WireError, match="rusage of 100 bytes"):
        decode(Frame(Type.DONE, 1, pack_fields([*numbers, (Tag.USAGE, bytes(100))])))


def test_a_small_job_is_one_frame():
    job = Job(("/bin/x", "ä", ""), {"K": "a=b"}, "/tmp", b"in", timeout_seconds=1.5, output_limit_bytes=7)
    (frame,) = Reader().feed(encode_job(job, 3))
    assert frame[:2] == (Type.JOB, 3)
    assert frame.flags == 0
    assert list(unpack_fields(frame.payload)) == [
        (Tag.ARGV, b"/bin/x"),
        (Tag.ARGV, "ä".encode()),
        (Tag.ARGV, b""),
        (Tag.ENVIRON, b"K=a=b"),
        (Tag.DIRECTORY, b"/tmp"),
        (Tag.STDIN, b"in"),
        number(Tag.TIMEOUT, 1_500_000_000),
        number(Tag.OUTPUT_LIMIT, 7),
    ]


@pytest.mark.parametrize("size", [PAYLOAD_MAX - 200, PAYLOAD_MAX, 5 * PAYLOAD_MAX])
def test_a_large_job_spans_frames_and_says_how_large_it_is(size):
    parts = Reader().feed(encode_job(Job(("/bin/cat",), stdin=bytes(size)), 3))
    assert [frame.flags for frame in parts] == [MORE] * (len(parts) - 1) + [0]
    whole = b"".join(frame.payload for frame in parts)
    fields = dict(unpack_fields(whole))
    assert fields[Tag.STDIN] == bytes(size)
    if len(parts) > 1:
        assert fields[Tag.SIZE] == len(whole).to_bytes(8, "little")


def test_a_nul_in_an_argument_is_refused_before_it_is_sent():
    with pytest.raises(WireError, match="NUL"):
        encode_job(Job(("/bin/echo", "a\0b")), 1)
