"""A user's server and its client, in fake places."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.campaigns import LIMITS
from support.stub import Stub
from tare.bench.experiments.base import Lab
from tare.bench.experiments.served_command import ServedCommand
from tare.bench.experiments.serving import Readiness
from tare.bench.measurable import CrowdSettings, Unsuitable
from tare.bench.workloads.command import Command, CommandTerms
from tare.bench.workloads.output_metrics import MetricRule
from tare.results.record import COMMAND_TIME
from tare.runners.errors import Missing
from tare.runners.fake import FakeRunner

if TYPE_CHECKING:
    from tare.runners.model import Job

RULES = (("rps", MetricRule(regex="([0-9]+) req", direction="higher")),)


class Carrying:
    """An image that has every program."""

    def argv(self, _root: str, program: str) -> tuple[str, ...]:
        return program, "{port}", "{address}", "{scratch}"

    def environ(self, _root: str, _program: str) -> dict[str, str]:
        return {}

    def directory(self, _root: str, _program: str, scratch: str) -> str:
        return scratch


def served(**terms: Any) -> ServedCommand:
    client = Command(("client",), CommandTerms(metrics=RULES, **terms), name="web", program="own-web")
    return ServedCommand(client=client, server=("server",), ready=Readiness("port"), port=80, warmups=1)


def perform(one: ServedCommand, runner: FakeRunner, said: list[str] | None = None) -> Any:
    image: Any = Carrying()
    tell = (said if said is not None else []).append
    stand_in: Any = None
    return one.perform(Lab(runner, image, LIMITS, stand_in, stand_in, CrowdSettings(), 0.1, tell))


def test_the_server_is_prepared_started_warmed_up_and_its_client_measured():
    jobs: list[Job] = []

    def answer(job: Job, _chance: Any) -> bytes:
        jobs.append(job)
        return b"12 req/s"

    said: list[str] = []
    runner = FakeRunner("box", answer=answer)
    one = replace(
        served(prepare=("p",), cleanup=("c",), show_output=True, environ=(("P", "{port}"),)),
        server_prepare=("sp",),
    )
    found = perform(one, runner, said)
    assert [job.argv[0] for job in jobs] == [
        "own-web.server.prepare", "/tare-inside", "own-web", "own-web.prepare", "own-web", "own-web.cleanup",
    ]  # fmt: skip
    assert jobs[-2].argv == ("own-web", "80", "127.0.0.1", "/scratch")
    assert jobs[-2].environ["P"] == "80"
    assert {one.name: one.value for one in found.metrics if one.name == "rps"} == {"rps": 12}
    assert COMMAND_TIME in {one.name for one in found.metrics}
    assert (found.failure, found.context["client"]) == (None, "same")
    assert said == ["web on box: 12 req/s"]
    assert (runner.services, runner.open_places) == (0, 0)
    assert set(one.commands) == {
        "own-web",
        "own-web.prepare",
        "own-web.cleanup",
        "own-web.server",
        "own-web.server.prepare",
    }


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("exit", "exit status 1"),
        ("signal", "ended by signal 9"),
        ("timeout", "still running after"),
        ("error", "ENOENT"),
    ],
)
def test_a_client_that_fails_is_a_failed_trial_without_metrics(fault, why):
    runner = FakeRunner("box", faults={2: fault}, answer=lambda *_: b"1 req")
    found = perform(served(), runner)
    assert why in found.failure.reason
    assert found.metrics == ()
    assert runner.services == 0


def test_what_the_user_accepts_is_no_failure():
    runner = FakeRunner("box", faults={2: "exit"}, answer=lambda *_: b"1 req")
    assert perform(served(exit_codes=None), runner).failure is None


def test_a_client_in_another_place_is_refused_with_what_kept_the_network_away():
    def refuse(*_words: Any) -> Any:
        raise Missing("no bridge can be made", "load the module")

    runner, one = FakeRunner("namespaces"), replace(served(), where="other")
    image: Any = Carrying()
    stand_in: Any = None
    lab = Lab(runner, image, LIMITS, stand_in, stand_in, CrowdSettings(), 0.1, print, Stub(get=refuse))
    with pytest.raises(Unsuitable, match=r"another place\. namespaces:bridge: .*no bridge can be made"):
        one.perform(lab)
    assert runner.open_places == 0
