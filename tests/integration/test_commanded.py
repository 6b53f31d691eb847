"""Places that a command makes. The commands are shells here: what engines do right and wrong, without an engine."""

import os
import signal
import time
from pathlib import Path

import pytest

from support.launched_places import EMPTY, run_context, settled_state
from tare.results.record import MARKS
from tare.runners.errors import PlaceFailure
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.launcher.client import Launcher
from tare.runners.model import Job, Limits
from tare.runners.places.commanded import CommandedPlace, CommandPlan, agent_argv, find_agent

pytestmark = pytest.mark.integration
LIMITS = Limits(cpus=1, memory_bytes=64 << 20)


class Host:
    def __init__(self, context, image):
        self.context, self.image = context, image
        self.undone = []

    def open(self, script, first=None, *, name="shell-0", **more):
        """``script`` is the shell's; ``"$@"`` in it is the agent."""
        speaks_first = more.get("speaks_first", True)
        agent = agent_argv(str(self.image.agent), self.context.run, name, speaks_first=speaks_first)
        plan = {
            "context": self.context,
            "name": name,
            "launcher": self.context.launcher,
            "limits": LIMITS,
            "root": str(self.image.tree),
            "scratch": None,
            "facts": {"kernel": "this"},
            "host_address": "127.0.0.1",
            "what": "shell run",
            "argv": ("/bin/sh", "-c", script, "shell", *agent),
            "cgroups": Cgroups.detect(),
            "undo": lambda: self.undone.append(name),
        } | more
        return CommandedPlace(CommandPlan(**plan), first)


@pytest.fixture
def host():
    with run_context() as (context, image):
        made = Host(context, image)
        yield made
    assert settled_state(context.run) == EMPTY


def test_a_cold_start_has_a_whole_timeline(host):
    job = Job()
    with host.open('exec "$@"', job) as place:
        assert place.run(job).exit_code == 0
    assert set(place.timeline) == {"requested", "spawned", "agent", "ready", "started", "finished", "gone"}
    assert sorted(place.timeline.values()) == [place.timeline[m] for m in MARKS if m in place.timeline]
    assert host.undone == []


def test_a_cold_start_with_a_job_of_its_own(host):
    job = Job(argv=("/bin/echo", "hello"))
    with host.open('"$@"; exit $?', job) as place:
        assert place.run(job).stdout == b"hello\n"
    assert place.usage is not None


def test_jobs_run_one_after_the_other_and_the_agent_is_seen_from_outside(host):
    with host.open('"$@"; exit $?') as place:
        assert place.vantage.shared_with_host
        assert place.vantage.top_pid == find_agent(host.context.run, "shell-0")
        assert Path(f"/proc/{place.vantage.top_pid}/comm").read_text() == "tare-agent\n"
        for word in ("one", "two"):
            assert place.run(Job(argv=("/bin/echo", word))).stdout == f"{word}\n".encode()
        assert place.context["kernel"] == "this"
    assert host.undone == []
    assert "gone" in place.timeline


def test_an_agent_may_wait_until_somebody_is_attached(host):
    with host.open('sleep 0; exec "$@"', speaks_first=False) as place:
        assert place.run(Job(argv=("/bin/echo", "x"))).stdout == b"x\n"
    job = Job()
    with host.open('exec "$@"', job, name="shell-1", speaks_first=False) as place:
        assert place.run(job).exit_code == 0


@pytest.mark.parametrize("first", [None, Job(), Job(argv=("/bin/true",))])
def test_a_command_that_fails_before_the_agent_speaks(host, first):
    with (
        pytest.raises(PlaceFailure) as caught,
        host.open("echo first; echo no such image >&2; exit 125", first) as place,
    ):
        place.run(first or Job())
    assert caught.value.reason == "shell run ended with status 125 before its agent spoke: no such image"
    assert caught.value.log.splitlines() == ["no such image", "first"]
    assert caught.value.remedy
    assert host.undone == ["shell-0"]


def test_a_command_that_says_nothing_and_fails(host):
    with pytest.raises(PlaceFailure, match="status 3 before its agent spoke, without a word on stderr"):
        host.open("exit 3")


@pytest.mark.parametrize("first", [None, Job(), Job(argv=("/bin/true",))])
def test_a_command_that_hangs_is_ended(host, first):
    with (
        pytest.raises(PlaceFailure) as caught,
        host.open(
            "echo waiting for a daemon >&2; exec sleep 1000", first, hello_seconds=0.3, leave_seconds=0.1
        ) as place,
    ):
        place.run(first or Job())
    assert "0.3 s" in caught.value.reason
    assert "waiting for a daemon" in caught.value.log
    assert host.undone == ["shell-0"]


def test_a_command_that_is_not_there(host):
    with pytest.raises(PlaceFailure, match="cannot start the program /nowhere/runc"):
        host.open("", argv=("/nowhere/runc",))


def test_a_command_that_is_killed_under_its_agent(host):
    with host.open('"$@"; exit $?') as place:
        os.kill(place._spawned.pid, signal.SIGKILL)
        with pytest.raises(PlaceFailure, match="shell run was killed by signal 9"):
            place.run(Job(argv=("/bin/sleep", "100")))
    assert host.undone == ["shell-0"]
    assert find_agent(host.context.run, "shell-0") == 0


def test_an_agent_that_is_killed_takes_its_command_along(host):
    with host.open('"$@"; echo container died >&2; exit 137') as place:
        os.kill(place.vantage.top_pid, signal.SIGKILL)
        with pytest.raises(PlaceFailure, match="shell run ended with status 137: container died"):
            place.run(Job(argv=("/bin/true",)))
    assert host.undone == ["shell-0"]


def test_a_command_that_does_not_end_after_its_agent_is_killed(host):
    began = time.monotonic()
    with host.open('"$@"; exec sleep 1000', leave_seconds=0.2) as place:
        assert place.run(Job(argv=("/bin/true",))).exit_code == 0
    assert time.monotonic() - began < 60
    assert host.undone == ["shell-0"]


def test_the_memory_limit_holds_where_the_cgroup_is_ours(host):
    with host.open('"$@"; exit $?') as place:
        if place.context["memory_limit_by"] != "cgroup":
            pytest.skip(f"no memory cgroup here: {place.context['cgroup']}")
        result = place.run(Job(argv=(f"{host.image.tree}/runaway", "memory")))
        assert "memory limit" in result.error


def test_what_lives_on_needs_a_launcher_of_its_own(host):
    with pytest.raises(ValueError, match="a launcher of its own"):
        host.open('exec "$@"', sweep=False)
    with (
        Launcher.start(host.context.cache) as launcher,
        host.open('exec "$@"', launcher=launcher, sweep=False) as place,
    ):
        assert place.run(Job()).exit_code == 0
