import json
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from support.campaigns import Steady, Telling, make_plan, make_provisioned
from support.stub import Duck
from tare.bench.campaign import profiled_places, profiling
from tare.bench.campaign.profiling import profile
from tare.bench.campaign.run import Measured
from tare.bench.campaign.sampling import Sampled
from tare.bench.request.request import Request
from tare.bench.workloads.python import Python
from tare.runners.errors import TareError
from tare.runners.fake import FakeRunner


def document(*stacks, pid=7):
    """Write samples as py-spy does, with the agent's process outermost."""
    names = [
        'process 1:"/tare-agent run 3"',
        f'process {pid}:"python3 /prog.py 40123"',
        *(n for one in stacks for n in one),
    ]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    frames = [{"name": n, "file": "" if n.startswith("process") else "/prog.py", "line": 1} for n in numbers]
    samples = [[0, 1, *(numbers[name] for name in one)] for one in stacks]
    weights = [0.01] * len(samples)
    one = {
        "type": "sampled",
        "name": f'Process {pid} Thread {pid} "m"',
        "samples": samples,
        "weights": weights,
    }
    return json.dumps({"shared": {"frames": frames}, "profiles": [one]}).encode()


@dataclass
class ScriptedSampler:
    sampled: Sampled

    def stop(self):
        pass


@pytest.fixture
def seen(monkeypatch):
    """Replace py-spy by documents of the place's making: whatever the test puts into the list."""
    documents = [document(*[("main", "work")] * 30)]

    @contextmanager
    def sampling(place, image, *, emulated):
        assert image.key == "fake"
        yield ScriptedSampler(
            Sampled(20 if emulated else 100, not place.vantage.shared_with_host, list(documents))
        )

    monkeypatch.setattr(profiled_places, "sampling", sampling)
    monkeypatch.setattr(profiling, "MOST_ROUNDS", 3)
    return documents


def attempt(tmp_path, workload, *, asked=True, interrupted=False, **faults):
    runners = {"bare": FakeRunner("bare", **faults), "box": FakeRunner("box", open_failures={0: "no luck"})}
    told = Telling()
    request = replace(Request(), profile=asked)
    profile(request, make_provisioned(runners), make_plan([workload]), Measured(tmp_path, interrupted), told)
    assert not any(runner.open_places for runner in runners.values())
    return told.lines, runners


def listed(tmp_path):
    return json.loads((tmp_path / "profiles/profiles.json").read_text())


@dataclass(frozen=True)
class Commanded(Steady):
    """A workload with a command of the user's."""

    @property
    def commands(self):
        return {"own": ("/work",)}


def test_own_commands_are_profiled_as_often_as_it_takes_and_a_place_without_a_profile_has_its_reason(
    tmp_path, seen
):
    _, runners = attempt(tmp_path, Commanded())
    found = listed(tmp_path)
    assert found["refused"] == {"work@box": "no luck"}
    (one,) = found["profiles"]
    assert (one["samples"], one["rate_hz"], one["processes"], one["rounds"]) == (30, 100, 1, 3)
    assert one["sampled_from"] == "place"  # fake places are not visible from the host
    assert {path.name for path in (tmp_path / "profiles").iterdir()} == {*one["files"], "profiles.json"}
    assert runners["bare"].openings == 1
    assert runners["bare"].jobs == 3


def test_each_place_is_drawn_against_the_base(tmp_path, seen):
    runners = {name: FakeRunner(name) for name in ("bare", "box")}
    plan = make_plan([Commanded()])
    profile(
        replace(Request(), profile=True),
        make_provisioned(runners),
        plan,
        Measured(tmp_path, interrupted=False),
        Telling(),
    )
    by_runner = {one["runner"]: one["files"] for one in listed(tmp_path)["profiles"]}
    assert "work@box.against-bare.svg" in by_runner["box"]
    assert not any("against" in name for name in by_runner["bare"])


def test_nothing_seen_has_a_remedy_or_the_reason_of_py_spy(tmp_path, seen):
    seen.clear()
    attempt(tmp_path, Commanded())
    assert "0.3 s or more" in listed(tmp_path)["refused"]["work@bare"]


def test_a_profiled_job_that_fails_gives_no_profile(tmp_path, seen):
    told, _ = attempt(tmp_path, Commanded(), faults={0: "exit"})
    assert listed(tmp_path)["refused"]["work@bare"] == "the profiled job failed: exit status 1"
    assert any("no profile of work on bare" in line for line in told)


def test_a_document_that_is_none_is_refused(tmp_path, seen):
    seen[:] = [b"[]"]
    attempt(tmp_path, Commanded())
    assert "speedscope" in listed(tmp_path)["refused"]["work@bare"]


def test_a_plan_without_python_has_nothing_to_profile(tmp_path):
    told, runners = attempt(tmp_path, Steady())
    assert told == ["nothing to profile: the plan has neither a Python workload nor a command of your own"]
    assert runners["bare"].openings == 0


@pytest.mark.parametrize("without", [{"asked": False}, {"interrupted": True}], ids=str)
def test_nothing_is_profiled_unasked_or_after_an_interruption(tmp_path, without):
    told, _ = attempt(tmp_path, Python(), **without)
    assert told == []
    assert not (tmp_path / "profiles").exists()


def test_an_experiment_is_profiled_by_its_places(tmp_path, seen):
    place = profiled_places.ProfiledRunner(FakeRunner("box"), make_provisioned({}).image)
    with place.open() as opened:
        service = opened.start(profiling_job())
        service.stop()
    assert len(place.taken) == 1
    assert place.label == "box"


def test_a_service_is_not_sampled_any_more_when_it_is_stopped():
    order = []

    class Stops(Duck):
        def __init__(self, name):
            self.name = name

        def stop(self):
            order.append(self.name)
            if self.name == "sampler":
                raise TareError("lost")

    with pytest.raises(TareError):
        profiled_places.ProfiledService(Stops("service"), Stops("sampler")).stop()
    assert order == ["sampler", "service"]


def profiling_job():
    return Steady().job(None, 1)
