"""A real server in real places, with its client in the same place and on the host; servers that hang, flood and die."""

import os
from contextlib import closing

import pytest

from support.inside_program import with_program
from support.launched_places import EMPTY, run_context, settled_state
from tare.bench.experiments.base import Lab
from tare.bench.experiments.serving import Readiness, Server, Where, serving
from tare.bench.measurable import CrowdSettings
from tare.runners.bare import Bare
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.errors import PlaceFailure
from tare.runners.inside import program as inside
from tare.runners.model import Job, Limits

pytestmark = pytest.mark.integration

LIMITS = Limits(cpus=1, memory_bytes=64 << 20)


def echo(ready: Readiness) -> Server:
    def job(at) -> Job:
        return Job((f"{at.site.root.rstrip('/')}/tare-inside", "net-server", at.listen, str(at.port), "99"))

    return Server(job, ready)


@pytest.mark.parametrize("name", ["bare", "namespaces", "namespaces:bridge"])
def test_a_server_is_reached_and_whatever_becomes_of_it_nothing_stays(name):
    with (
        run_context() as (context, image),
        closing(Bare(context) if name == "bare" else Namespaces(context, name)) as runner,
    ):
        probe = runner.probe()
        if not probe.ok:
            assert os.getuid()
            pytest.skip(f"{probe.reason}; {probe.remedy}")
        runner.prepare(with_program(image), LIMITS)
        lab = Lab(runner, image, LIMITS, context, None, CrowdSettings(), 0.02, print)
        wheres: tuple[Where, ...] = ("same", "host") if name == "namespaces" else ("same", "host", "other")
        for where in wheres:
            for ready in (Readiness("port"), Readiness("line", pattern=r"^\S+ \d+$")):
                with serving(lab, echo(ready), where) as served:
                    client = (inside(served.client), "latency", served.at.address, str(served.at.port))
                    result = served.run(Job((*client, "50", "1000")))
                    assert result.exit_code == 0, result.stderr
                    assert b"round_trips 50" in result.stdout
        _misbehave(lab)
    assert settled_state(context.run) == EMPTY


def _misbehave(lab: Lab) -> None:
    """Start servers that never listen, end at once, and exceed their memory while the client waits."""

    def runaway(word: str, seconds: float) -> Server:
        return Server(
            lambda at: Job((f"{at.site.root.rstrip('/')}/runaway", word)),
            Readiness("port", timeout_seconds=seconds),
        )

    for word, seconds, why in (
        ("deaf", 0.3, r"not ready within 0\.3 s: connecting: ECONNREFUSED"),
        ("no-such-word", 5, "not ready: ended with status"),
        ("memory", 5, "not ready: (killed by the memory limit|memory limit)"),
    ):
        with pytest.raises(PlaceFailure, match=why), serving(lab, runaway(word, seconds), "same"):
            pass
