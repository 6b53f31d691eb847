import json
from dataclasses import replace

import pytest

from support.campaigns import Steady, Telling, make_plan, make_provisioned
from tare.bench.campaign import profiling
from tare.bench.campaign.profiling import profile
from tare.bench.campaign.run import Measured
from tare.bench.request.request import Request
from tare.bench.workloads.python import Python
from tare.runners.errors import TareError
from tare.runners.fake import FakeRunner
from tare.runners.host import endings
from tare.runners.model import Job


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


def py_spy(tmp_path, monkeypatch, script):
    """Stand in for py-spy by a shell script, and let it sample a process that is none."""
    program = tmp_path / "py-spy"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(profiling, "_py_spy", lambda: str(program))
    with pytest.raises(TareError) as raised:
        profiling._record(1, "speedscope", tmp_path / "profile")
    return str(raised.value)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("kill -9 $$", "py-spy was killed by signal 9 (SIGKILL): "),
        ("kill -15 $$", "py-spy was killed by signal 15 (SIGTERM)"),
        ("exit 3", "py-spy failed: ended with status 3; "),
        ("echo one >&2; echo Permission denied >&2; exit 1", "py-spy failed: Permission denied; "),
        ("exit 0", "py-spy failed: it wrote no profile; "),
    ],
)
def test_a_profiler_that_ends_badly_says_how_even_without_a_word(tmp_path, monkeypatch, script, says):
    assert py_spy(tmp_path, monkeypatch, script).startswith(says)


def test_a_profiler_that_was_killed_for_its_memory_says_so(tmp_path, monkeypatch):
    counts = iter((4, 5))
    monkeypatch.setattr(profiling, "oom_kills", lambda: next(counts))
    monkeypatch.setattr(endings, "oom_kills", lambda: next(counts))
    assert "because memory ran out" in py_spy(tmp_path, monkeypatch, "kill -9 $$")


def test_a_lost_place_explains_a_profile_that_is_missing():
    place = FakeRunner("box", faults={0: "lost"}).open()
    lost = pytest.raises(TareError, match="the profiled job's place was lost: the place died")
    with lost, profiling._running(place, Job(argv=("/work",))):
        raise TareError("the profiled program did not show")


@pytest.mark.parametrize("without", [{"asked": False}, {"interrupted": True}], ids=str)
def test_nothing_is_profiled_unasked_or_after_an_interruption(tmp_path, without):
    told, _ = attempt(tmp_path, Python(), **without)
    assert told == []
    assert not (tmp_path / "profiles").exists()
