"""Jobs try to change the agent that watches them, by file, by memory and by tracing it."""

import os
from pathlib import Path

import pytest

from support.launched_places import program, runner_for
from tare.runners.model import Job, Limits

LIMITS = Limits(cpus=1, memory_bytes=256 << 20)


def attempts(place):
    result = place.run(Job(argv=(program(place), "agent")))
    assert result.exit_code == 0
    return dict(line.split() for line in result.stdout.decode().splitlines())


def test_a_job_in_a_container_cannot_reach_its_agent():
    with runner_for("namespaces", LIMITS) as runner, runner.open() as place:
        assert set(attempts(place)) == {"exe", "mem", "fd/3", "environ", "ptrace"}
        assert set(attempts(place).values()) <= {"EACCES", "EPERM"}


@pytest.mark.parametrize("name", ["bare", "namespaces"])
def test_an_agent_is_no_file_of_the_host(name):
    with runner_for(name, LIMITS) as runner, runner.open() as place:
        if os.getuid() == 0:
            agent = str(Path(f"/proc/{place.vantage.top_pid}/exe").readlink())
            assert agent.startswith("/memfd:")
        assert Path(f"/proc/{place.vantage.top_pid}/comm").read_text() == "tare-agent\n"
