"""What client and launcher.c say to each other: both sides number alike, and replies are read as they were meant."""

import os
import re
import signal
import struct
from pathlib import Path

import pytest

from support.launcher_program import instructions
from tare.runners.launcher import protocol
from tare.runners.launcher.client import SOURCE
from tare.runners.launcher.connection import LANE_SHIFT
from tare.runners.launcher.processes import Gone, LauncherError, Spawned, SpawnError, SpawnRequest
from tare.runners.launcher.protocol import Failed, Pong, decode, encode_kill, encode_ping, encode_spawn
from tare.runners.launcher.steps.base import Op, Step, count_instructions
from tare.runners.launcher.steps.files import MakeDirectory
from tare.runners.launcher.steps.mounts import PivotRoot
from tare.runners.launcher.steps.namespaces import NewNamespace

STEPS_H = SOURCE.with_name("steps.h")


def enumerators(path, first):
    """The names of the C enum that begins with a name → their values."""
    (body,) = re.findall(rf"enum \{{\s*({first}\b.*?)\}}", path.read_text(), re.DOTALL)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
    found, number = {}, -1
    for part in body.split(","):
        name, _, value = part.partition("=")
        value, _, shift = value.partition("<<")
        number = int(value) << int(shift or 0) if value else number + 1
        found[name.strip()] = number
    return found


def test_opcodes_are_those_of_the_launcher():
    assert enumerators(STEPS_H, "OP_MOUNT") == {f"OP_{op.name}": op.value for op in Op}


def test_every_opcode_is_executed_and_encoded_by_somebody():
    text = STEPS_H.read_text()
    assert all(f"case OP_{op.name}:" in text for op in Op)
    modules = "".join(path.read_text() for path in (SOURCE.parent / "steps").glob("*.py"))
    assert all(f"Op.{op.name}," in modules for op in Op)


@pytest.mark.parametrize("first", ["SPAWN", "SWEEP", "MAX_PACKET", "FAILED_TO_CLONE"])
def test_other_numbers_are_those_of_the_launcher(first):
    ours = {"MAX_PACKET": protocol.MAX_PACKET_BYTES} | {
        name.removeprefix("_"): value
        for name, value in vars(protocol).items()
        if re.fullmatch(r"_[A-Z_]+", name)
    }
    theirs = enumerators(SOURCE, first)
    assert {name: ours[name] for name in theirs if name in ours} == {
        name: value for name, value in theirs.items() if name in ours
    }
    assert first in ours


def test_replies():
    usage = [1, 500_000, 0, 250_000, 2048, 0, 0, 0, 5, 6, 0, 7, 8, 0, 0, 0, 9, 10]
    assert decode(struct.pack("=2Q", 20, 0)) == Pong()
    assert decode(struct.pack("=5Q", 17, 3, 4711, 10, 11)) == Spawned(3, 4711, 10, 11)
    gone = decode(struct.pack("=24Q", 19, 3, 7 << 8, 20, 21, 0, *usage))
    assert isinstance(gone, Gone)
    assert (gone.id, gone.exit_code, gone.reaped_ns, gone.gone_ns) == (3, 7, 20, 21)
    assert (gone.usage.user_seconds, gone.usage.system_seconds) == (1.5, 0.25)
    assert (gone.usage.peak_rss_bytes, gone.usage.involuntary_switches) == (2 << 20, 10)
    assert decode(struct.pack("=2Qqq", 18, 3, -2, 2)) == Failed(3, -2, 2)
    with pytest.raises(LauncherError, match="unknown kind 99"):
        decode(struct.pack("=2Q", 99, 0))
    assert protocol.REPLY_BYTES >= 24 * 8


@pytest.mark.parametrize(
    ("step", "what"),
    [
        (-1, "cannot make the process /bin/x with new pid namespace"),
        (-2, "cannot start the program /bin/x"),
        (-3, "cannot enter the cgroups /cg/a for /bin/x"),
        (1, "step 2 of /bin/x, make folder /y"),
    ],
)
def test_failures_name_what_was_refused(step, what):
    request = SpawnRequest(
        ("/bin/x",),
        steps=(NewNamespace("pid"), MakeDirectory("/y")),
        tasks=((Path("/cg/a/tasks"), Path("/h")),),
    )
    error = Failed(1, step, 13).explain(request)
    assert isinstance(error, SpawnError)
    assert str(error) == f"{what}: Permission denied (EACCES)"
    assert error.program == (step == -2)


def test_a_request_counts_what_it_has(tmp_path):
    (tmp_path / "tasks").touch()
    (tmp_path / "home").touch()
    request = SpawnRequest(
        ("prog", "argument"),
        {"A": "b"},
        program=0,
        fds={3: 1},
        steps=(NewNamespace("net"), PivotRoot("/r")),
        cgroup=tmp_path,
        tasks=((tmp_path / "tasks", tmp_path / "home"),),
        remove=(tmp_path / "gone",),
        quiet=True,
    )
    opened: list[int] = []
    packet, fds = encode_spawn(5 + (1 << LANE_SHIFT), request, 2, opened)
    assert fds == [2, 2, 2, 1, 0, *opened]
    assert len(opened) == 4
    for fd in opened:
        os.close(fd)
    head = struct.unpack_from("=12Q", packet)
    assert head == (1, 5 + (1 << LANE_SHIFT), 0x40000000, 2, 2, 1, 4, 1, 1, 1, 1, 4)
    body = packet[-sum(len(step.encode(i)) for i, step in enumerate(request.steps)) :]
    assert count_instructions(body) == len(list(instructions(body))) == 4
    assert struct.unpack_from("=4Q", packet, len(packet) - len(body) - 32) == (0, 1, 2, 3)


def test_short_requests():
    assert struct.unpack("=3Q", encode_kill(8, signal.SIGTERM)) == (2, 8, 15)
    assert struct.unpack("=2Q", encode_ping()) == (3, 0)


def test_a_step_has_to_say_what_it_does():
    assert Step().clone_flags == 0
    with pytest.raises(NotImplementedError):
        Step().describe()
    with pytest.raises(NotImplementedError):
        Step().encode(0)
