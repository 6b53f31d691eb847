import json
from dataclasses import replace

import pytest

from support.campaigns import Steady, Telling, make_plan, make_provisioned
from tare.bench.campaign.profiling import profile
from tare.bench.campaign.run import Measured
from tare.bench.request.request import Request
from tare.bench.workloads.python import Python
from tare.runners.fake import FakeRunner


def attempt(tmp_path, workload, *, asked=True, interrupted=False):
    runners = {"bare": FakeRunner("bare"), "box": FakeRunner("box", open_failures={0: "no luck"})}
    told = Telling()
    measured = Measured(tmp_path, interrupted)
    profile(
        replace(Request(), profile=asked), make_provisioned(runners), make_plan([workload]), measured, told
    )
    return told.lines, runners


def test_each_place_without_a_profile_has_its_reason(tmp_path):
    _, runners = attempt(tmp_path, Python())
    refused = json.loads((tmp_path / "profiles/refused.json").read_text())
    assert "cannot be seen from the host" in refused["bare"]
    assert refused["box"] == "no luck"
    assert not any(runner.open_places for runner in runners.values())


def test_a_plan_without_the_python_workload_has_nothing_to_profile(tmp_path):
    told, runners = attempt(tmp_path, Steady())
    assert told == ["nothing to profile: the plan has no `python` workload"]
    assert runners["bare"].openings == 0


@pytest.mark.parametrize("without", [{"asked": False}, {"interrupted": True}], ids=str)
def test_nothing_is_profiled_unasked_or_after_an_interruption(tmp_path, without):
    told, _ = attempt(tmp_path, Python(), **without)
    assert told == []
    assert not (tmp_path / "profiles").exists()
