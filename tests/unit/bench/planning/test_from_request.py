"""Plans of requests for single cases, as pytest makes them, against those of ``tare run``."""

import pytest
from msgspec.structs import replace

from support.campaigns import make_provisioned
from tare.bench.planning.from_request import plan
from tare.bench.planning.modes import EMULATED_QUICKLY
from tare.bench.request.request import Request
from tare.runners.fake import FakeClock, FakeRunner
from tare.runners.model import Probe


@pytest.fixture
def bench(tmp_path):
    clock = FakeClock()
    runners = {key: FakeRunner(key, clock=clock) for key in ("bare", "guest")}
    runners["guest"].accelerator = "tcg"
    made = make_provisioned(runners, tmp_path).bench
    return replace(made, probes={key: Probe(ok=True) for key in runners})


def under_guest(made):
    return {case.workload.name for case in made.cases if case.runner == "guest"}


def test_cases_that_a_mode_selects_are_planned_as_without_them(bench):
    asked = plan(Request(mode="quick"), bench)
    every = frozenset((one.workload.name, key) for one in asked.cases for key in ("bare", "guest"))
    made = plan(Request(mode="quick", cases=every), bench)
    assert made.cases == asked.cases
    assert {(skip.workload, skip.remedy) for skip in made.skips} == {
        (skip.workload, skip.remedy) for skip in asked.skips
    }
    assert under_guest(made) <= set(EMULATED_QUICKLY)


def test_cases_that_the_user_names_are_planned_whatever_a_mode_leaves_out(bench):
    request = Request(mode="quick", cases=frozenset({("fork", "guest")}), cases_named=True)
    assert under_guest(plan(request, bench)) == {"fork"}
    assert not under_guest(plan(replace(request, cases_named=False), bench))
