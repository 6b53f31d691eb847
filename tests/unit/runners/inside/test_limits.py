"""Limits seen from inside: what the program says, what is kept of it, and the deviations."""

import msgspec
import pytest
from msgspec.structs import replace

from support.results_making import manifest
from tare.results.environment import (
    CpuProbe,
    IoProbe,
    LimitsSeen,
    LimitsUnverified,
    MemoryProbe,
    PidsProbe,
)
from tare.results.judgement import limits as found_limits
from tare.runners.errors import TareError
from tare.runners.fake import FakeRunner
from tare.runners.inside import limits
from tare.runners.model import Limits

ASKED = Limits(cpus=1, memory_bytes=256 << 20, pids=512)
GOOD = LimitsSeen(
    cpus=(0,),
    memory_seen_bytes=240 << 20,
    cgroup_files={},
    guest=False,
    memory=MemoryProbe(end="killed", reached_bytes=255 << 20, by="killed by the memory limit of 256 MiB"),
    pids=PidsProbe(end="refused", reached=509, asked=512),
)

SEE = b"cpu 0\ncpu 1\n/proc/meminfo MemTotal:       262144 kB\n/sys/fs/cgroup/cpu.max 100000 100000\n"
ANSWERS = {
    "see": SEE,
    "cpu": b"cpu_ns 245000000\nwall_ns 250000000\n",
    "memory": b"reached_bytes 268435456\nkilled 1\n",
    "pids": b"reached 510\nrefused 1\n",
    "io": b"written_bytes 4194304\nelapsed_ns 400000000\n",
}


def box(**changes):
    answers = ANSWERS | changes
    return FakeRunner("box", answer=lambda job, _chance: answers[job.argv[2]])


def test_a_fake_place_is_looked_at_like_any_other(monkeypatch):
    monkeypatch.setattr(limits, "available_bytes", lambda: 64 << 30)
    runner = box()
    found = limits.verify(runner, Limits(1, 256 << 20, io_bytes_per_second=10 << 20))
    assert runner.open_places == 0
    assert found.seconds >= 0
    assert replace(found, seconds=0.0) == LimitsSeen(
        cpus=(0, 1),
        memory_seen_bytes=256 << 20,
        cgroup_files={"cpu.max": "100000 100000"},
        guest=False,
        cpu=CpuProbe(used=0.98),
        memory=MemoryProbe(end="killed", reached_bytes=256 << 20),
        pids=PidsProbe(end="refused", reached=510, asked=512),
        io=IoProbe(bytes_per_second=10485760),
    )


def test_cpus_are_spun_on_only_where_more_are_seen_than_given():
    assert limits.verify(box(), Limits(2, 256 << 20)).cpu is None


def test_a_host_that_is_short_of_memory_is_spared(monkeypatch):
    monkeypatch.setattr(limits, "available_bytes", lambda: (4 * 320 << 20) - 1)
    runner = box(memory=b"held 1\n")
    found = limits.verify(runner, Limits(2, 256 << 20))
    why = "it would use 320 MiB, more than a quarter of the 1279 MiB that the host has free"
    assert found.memory == MemoryProbe(end="not tried", why=why)
    monkeypatch.setattr(limits, "available_bytes", lambda: 4 * 320 << 20)
    assert limits.verify(runner, Limits(2, 256 << 20)).memory.end == "held"


def test_a_place_where_the_program_is_not_is_said():
    with pytest.raises(TareError, match="the look at the limits from inside failed"):
        limits.verify(box(see=b""), Limits(2, 256 << 20))


def test_answers_that_are_cut_are_no_findings(monkeypatch):
    monkeypatch.setattr(limits, "available_bytes", lambda: 64 << 30)
    found = limits.verify(box(memory=b"reached_bytes 99\n", pids=b"", cpu=b""), Limits(1, 256 << 20))
    assert found.memory.end == found.pids.end == "killed"
    assert found.cpu.used is None
    assert found.cpu.why


def test_limits_that_are_kept_are_no_deviation():
    assert found_limits.deviations(ASKED, GOOD) == []


@pytest.mark.parametrize(
    ("changes", "asked", "sentence"),
    [
        ({"cpus": (0, 1)}, {}, "nproc shows 2 CPUs where 1 are given"),
        ({"cpus": (0, 1), "cpu": CpuProbe(used=1.9)}, {}, "jobs use 1.9 CPUs at once where 1 are given"),
        ({"cpus": (0, 1), "cpu": CpuProbe(used=0.3)}, {}, "it is not known whether"),
        ({"cpus": (3,)}, {"cpuset": (0,)}, "jobs may run on CPUs 3, outside the cpuset 0"),
        ({"memory_seen_bytes": 24 << 30}, {}, "/proc/meminfo shows 24576 MiB where 256 MiB are given"),
        ({"memory": MemoryProbe(end="held")}, {}, "jobs keep more than the 256 MiB"),
        ({"memory": MemoryProbe(end="killed", watched=True)}, {}, "enforced by watching"),
        ({"memory": MemoryProbe(end="not tried", why="a reason")}, {}, "was not tried: a reason"),
        ({"pids": PidsProbe(end="held", asked=512)}, {}, "jobs make more than the 512 processes"),
        ({"pids": PidsProbe(end="refused", asked=512, reached=9)}, {}, "refused processes after 9"),
        (
            {"io": IoProbe(bytes_per_second=40 << 20)},
            {"io_bytes_per_second": 10 << 20},
            "jobs write 40 MiB/s",
        ),
    ],
)
def test_each_deviation_is_a_sentence(changes, asked, sentence):
    lines = found_limits.deviations(msgspec.structs.replace(ASKED, **asked), replace(GOOD, **changes))
    assert any(sentence in line for line in lines)


def test_limits_that_could_not_be_looked_at_are_a_deviation():
    assert found_limits.deviations(ASKED, LimitsUnverified(reason="lost")) == [
        "the limits could not be verified: lost"
    ]


def test_runners_that_deviate_alike_are_said_together():
    two = replace(GOOD, cpus=(0, 1))
    about = manifest(
        context={"limits": msgspec.to_builtins(ASKED)}, limits={"bare": two, "box": two, "other": GOOD}
    )
    ((sentence, runners),) = found_limits.differences(about)
    assert sentence.startswith("nproc shows 2")
    assert runners == ("bare", "box")


def test_a_record_that_does_not_say_what_was_given_has_no_deviations():
    for strange in ({}, {"limits": 3}, {"limits": {"cpus": "all"}}):
        about = manifest(context=strange, limits={"bare": replace(GOOD, cpus=(0, 1))})
        assert found_limits.asked(about) is None
        assert found_limits.differences(about) == []
