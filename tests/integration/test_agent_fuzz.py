"""The real agent's reader, fed with noise: it answers the next sound ping, or leaves; it never crashes or hangs."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.draws import draws
from support.paths import ROOT
from tare.runners.agent.wire import (
    HEADER_BYTES,
    PAYLOAD_MAX,
    Frame,
    Pong,
    Reader,
    Type,
    decode,
    encode,
    encode_job,
)
from tare.runners.model import Job
from tare.runners.native.build import build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

SOURCE = ROOT / "runners" / "agent" / "agent.c"
PING_SEQUENCE = 0xFEED
FLUSH = bytes(HEADER_BYTES + PAYLOAD_MAX)
"""Fills up whatever frame the noise has begun."""

# No frame that is sound may run a program: what the fuzzer makes up is not to be executed.
sound = st.builds(
    Frame,
    type=st.sampled_from([0, Type.PING, Type.KILL, 5, Type.HELLO, Type.DONE, 255]),
    sequence=st.integers(0, 1000),
    payload=st.binary(max_size=300),
    flags=st.integers(0, 65535),
).map(encode)
fields = st.lists(
    st.tuples(
        st.integers(2, 9), st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1)), st.binary(max_size=40)
    )
).map(
    lambda parts: b"".join(bytes([tag]) + length.to_bytes(4, "little") + data for tag, length, data in parts)
)
jobs = st.builds(
    lambda payload, flags, sequence: encode(Frame(Type.JOB, sequence, payload, flags)),
    fields,
    st.integers(0, 1),
    st.integers(0, 3),
)


@st.composite
def mangled(draw) -> bytes:
    raw = bytearray(draw(st.one_of(sound, jobs, st.just(encode_job(Job(("/nonexistent",)), 7)))))
    for _ in range(draw(st.integers(1, 4))):
        raw[draw(st.integers(0, len(raw) - 1))] ^= draw(st.integers(1, 255))
    return bytes(raw[draw(st.integers(0, 4)) : len(raw) - draw(st.integers(0, 20))])


noise = st.lists(
    st.one_of(sound, jobs, mangled(), st.binary(max_size=500), st.just(b"TARE")), max_size=12
).map(b"".join)


@pytest.fixture(scope="module")
def agent(tmp_path_factory) -> Path:
    return build(SOURCE, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def living(agent) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """One agent for all examples of a test: damage that one leaves behind, the next may find."""
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    with subprocess.Popen(
        ["tare-agent", "r1", str(theirs.fileno())], executable=agent, pass_fds=[theirs.fileno()]
    ) as process:
        theirs.close()
        with ours:
            yield process, ours
        assert process.wait(10) == 0


def pong(channel: socket.socket) -> Pong:
    """Read until the answer to our ping; everything before it must be whole frames of an agent."""
    reader = Reader()
    while True:
        data = channel.recv(1 << 16)
        assert data, "the agent left"
        for message in map(decode, reader.feed(data)):
            if isinstance(message, Pong) and message.sequence == PING_SEQUENCE:
                return message
        assert reader.skipped_bytes == 0


@settings(max_examples=draws(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=noise)
def test_noise_before_and_after_sound_frames(living, data):
    process, channel = living
    channel.sendall(data + FLUSH + encode(Frame(Type.PING, PING_SEQUENCE)) + data[:7])
    pong(channel)
    assert process.poll() is None


@settings(max_examples=draws(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=3000), cuts=st.lists(st.integers(1, 200), max_size=10))
def test_what_was_skipped_is_counted_exactly(living, data, cuts):
    _, channel = living
    ping = encode(Frame(Type.PING, PING_SEQUENCE))
    channel.sendall(ping)
    before = pong(channel).skipped_bytes
    at = 0
    for cut in cuts:
        channel.sendall(data[at : at + cut])
        at += cut
    channel.sendall(data[at:] + ping)
    assert pong(channel).skipped_bytes - before == len(data)


@settings(max_examples=draws(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=noise)
def test_noise_and_then_the_end(agent, data):
    done = subprocess.run(
        ["tare-agent", "r1", "0,1"],
        executable=agent,
        input=data,
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 0
    reader = Reader()
    assert list(map(decode, reader.feed(done.stdout)))
    assert reader.skipped_bytes == 0
