"""Runs in which the launcher, or what a runner was prepared with, is killed: what is recorded, and how they go on."""

from dataclasses import dataclass
from typing import cast

import pytest
from msgspec.structs import replace

from support.campaigns import IMAGE, Steady, Telling, make_plan, make_provisioned
from support.stub import Duck
from tare.bench.campaign import manifest, steady_state
from tare.bench.campaign.run import measure
from tare.bench.request.request import Request
from tare.bench.request.settings import OutputSettings, RunSettings, Settings
from tare.bench.workloads.null import Null
from tare.results.storage.load import load_run
from tare.runners.errors import PlaceFailure
from tare.runners.fake import FakeClock, FakePlace, FakeRunner

BLOCKS = 8
PLAN = make_plan([Null(), Steady()], blocks=BLOCKS)
WANTED = 2 * 3 * BLOCKS  # two workloads under three keys


@pytest.fixture(autouse=True)
def light(monkeypatch):
    monkeypatch.setattr(steady_state, "default_collectors", lambda _vantage: ())
    monkeypatch.setattr(manifest, "host_facts", lambda _workdir: {"cpu": {"model": "Example"}})
    monkeypatch.setattr(manifest, "conditions", lambda _workdir, since=None: ())


class Launcher(Duck):
    """Is killed after so many jobs, and again after as many more if it is started again."""

    def __init__(self, *deaths: int) -> None:
        self.deaths = list(deaths)
        self.jobs = 0
        self.starts = 1
        self.lost = False

    def work(self) -> None:
        if self.deaths and self.jobs >= self.deaths[0]:
            self.deaths.pop(0)
            self.lost = True
        self.jobs += 1
        if self.lost:
            raise PlaceFailure("tare's launcher is gone")

    def restart(self) -> None:
        self.lost = False
        self.starts += 1


@dataclass(slots=True)
class Made(FakeRunner):
    """A runner whose places die with what it was prepared with."""

    launcher: Launcher | None = None
    daemon_dies: tuple[int, ...] = ()
    """Numbers of jobs at which what it was prepared with is killed."""
    comes_back: bool = True
    dead: bool = False

    def prepare(self, image, limits):
        if self.openings and not self.comes_back:
            raise PlaceFailure("there is no daemon any more")
        self.dead = False
        super(Made, self).prepare(image, limits)

    def open(self, first=None):
        if self.dead:
            raise PlaceFailure("the daemon went away")
        number, self.openings = self.openings, self.openings + 1
        return Mortal(self, first, number)


class Mortal(FakePlace):
    """A place of such a runner."""

    def run(self, job):
        runner = cast("Made", self._runner)
        assert runner.launcher
        if runner.jobs in runner.daemon_dies:
            runner.jobs += 1
            runner.dead = True
        if runner.dead:
            raise PlaceFailure("the daemon went away")
        runner.launcher.work()
        return super().run(job)


def run(tmp_path, *deaths, resume="", plan=PLAN, **box):
    launcher, clock, told = Launcher(*deaths), FakeClock(), Telling()
    runners = {
        "bare": Made("bare", clock=clock, launcher=launcher),
        "box": Made("box", clock=clock, launcher=launcher, **box),
    }
    made = make_provisioned(runners, cache=tmp_path)
    supplies = made.bench.supplies
    supplies = replace(supplies, context=replace(supplies.context, launcher=launcher))
    provisioned = replace(made, image=IMAGE, bench=replace(made.bench, supplies=supplies))
    settings = Settings(run=RunSettings(), output=OutputSettings(results_dir=tmp_path / "runs"))
    measured = measure(Request(settings=settings, resume=resume), provisioned, plan, told)
    return measured, load_run(measured.run_dir), launcher, told.lines


def outcomes(stored):
    trials = list(stored.trials())
    return {kind: [t for t in trials if t.outcome == kind] for kind in ("ok", "failed", "skipped")}


@pytest.mark.parametrize("death", [0, 5, BLOCKS * 3 // 2 + 2, WANTED // 2 + 5, WANTED - 1])
@pytest.mark.parametrize(
    "cheap", [("bare", "bare-again", "box"), ("bare", "bare-again")], ids=["anew", "kept"]
)
def test_a_killed_launcher_costs_the_trial_under_way_and_nothing_else(tmp_path, death, cheap):
    plan = replace(PLAN, cheap=frozenset(cheap))
    measured, stored, launcher, told = run(tmp_path, death, plan=plan)
    found = outcomes(stored)
    assert launcher.starts == 2
    assert (len(found["failed"]), len(found["skipped"])) == (1, 0)
    assert len(found["ok"]) == WANTED - 1
    assert "launcher is gone" in found["failed"][0].reason
    assert (measured.interrupted, stored.manifest.status) == (False, "complete")
    assert "launcher was killed" in stored.manifest.notes["recovered"]
    assert [line for line in told if "starting it again" in line]


@pytest.mark.parametrize("deaths", [(3, 5), (3, WANTED // 2), (WANTED // 2, WANTED - 4)])
def test_a_launcher_that_is_killed_again_interrupts_the_run_which_can_be_resumed(tmp_path, deaths):
    measured, stored, _, told = run(tmp_path, *deaths)
    assert (measured.interrupted, stored.manifest.status) == (True, "interrupted")
    assert outcomes(stored)["skipped"] == []
    assert "killed again" in "".join(told)
    assert told[-1].endswith("Go on with: tare run --resume run")

    measured, stored, _, _ = run(tmp_path, resume="run")
    assert (measured.interrupted, stored.manifest.status) == (False, "complete")
    slots = {(t.workload, t.runner, t.block) for t in stored.trials()}
    assert len(slots) == WANTED


@pytest.mark.parametrize("job", [2, 6, 12])
def test_a_runner_whose_daemon_was_killed_is_prepared_anew_once(tmp_path, job):
    _, stored, launcher, told = run(tmp_path, daemon_dies=(job,))
    found = outcomes(stored)
    assert launcher.starts == 1
    assert found["skipped"] == []
    assert {t.runner for t in found["failed"]} == {"box"}
    assert len(found["failed"]) <= 3  # the one under way, and two openings
    assert "daemon went away" in found["failed"][0].reason
    assert "box worked before and now fails" in stored.manifest.notes["recovered"]
    assert [line for line in told if "preparing it anew" in line]


def test_a_daemon_that_does_not_come_back_is_the_reason_for_giving_up(tmp_path):
    _, stored, _, _ = run(tmp_path, daemon_dies=(2,), comes_back=False)
    found = outcomes(stored)
    assert {t.runner for t in found["skipped"]} == {"box"}
    assert all("there is no daemon any more" in t.reason for t in found["skipped"])
    assert len([t for t in found["ok"] if t.runner != "box"]) == 4 * BLOCKS


def test_a_daemon_that_is_killed_again_is_given_up(tmp_path):
    _, stored, _, _ = run(tmp_path, daemon_dies=(2, 7))
    found = outcomes(stored)
    assert {t.runner for t in found["skipped"]} == {"box"}
    assert stored.manifest.notes["recovered"].count("preparing it anew") == 1
