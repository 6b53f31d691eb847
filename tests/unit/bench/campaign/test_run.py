"""Whole runs on fake runners: what is stored, what an interruption leaves, and how a run is taken up again."""

import math
import time

import pytest

from support.campaigns import IMAGE, Steady, Telling, make_plan, make_provisioned
from support.changing import replace
from tare.bench.campaign import manifest, run, steady_state
from tare.bench.campaign.ledger import Ledger
from tare.bench.campaign.run import measure
from tare.bench.request.request import CommandVersion, Request
from tare.bench.request.settings import OutputSettings, RunSettings, Settings
from tare.bench.workloads.null import Null
from tare.results.environment import ToolFacts
from tare.results.errors import NotWritten
from tare.results.record import CONTROL, Provenance
from tare.results.statistics.lasting import lasting_state
from tare.results.storage.load import load_run
from tare.results.storage.store import RunWriter
from tare.runners.fake import FakeClock, FakeRunner
from tare.runners.host.condition import Condition
from tare.runners.host.steal import CpuSample
from tare.runners.host.system import CpuTime
from tare.runners.model import Probe

FACTS = ToolFacts(tool="box 1.0", origin="system")
PLAN = make_plan([Null(), Steady()], blocks=4, warmups=True)


@pytest.fixture(autouse=True)
def light(monkeypatch):
    monkeypatch.setattr(steady_state, "default_collectors", lambda _vantage: ())
    monkeypatch.setattr(manifest, "host_facts", lambda _workdir: {"cpu": {"model": "Example", "allowed": 2}})
    monkeypatch.setattr(manifest, "conditions", lambda _workdir, since=None: ())


def make(tmp_path, **box):
    clock = FakeClock()
    runners = {"bare": FakeRunner("bare", clock=clock), "box": FakeRunner("box", clock=clock, **box)}
    made = make_provisioned(runners, cache=tmp_path)
    probes = {key: Probe(ok=True, facts=FACTS) for key in runners}
    provisioned = replace(made, image=IMAGE, bench=replace(made.bench, probes=probes))
    return provisioned, runners


def make_request(tmp_path, **run):
    settings = Settings(run=RunSettings(**run), output=OutputSettings(results_dir=tmp_path / "runs"))
    return Request(settings=settings)


class Impatient(Telling):
    """Presses Ctrl-C after so many trials."""

    def __init__(self, patience):
        super().__init__()
        self.patience = patience

    def trial(self, done, what):
        super().trial(done, what)
        if done == self.patience:
            raise KeyboardInterrupt


def slots(run, *, warmups=True):
    return sorted((t.workload, t.runner, t.block, t.warmup) for t in run.trials() if warmups or not t.warmup)


def test_a_complete_run_has_its_manifest_and_all_trials(tmp_path):
    provisioned, runners = make(tmp_path)
    measured = measure(make_request(tmp_path, name="first"), provisioned, PLAN, Telling())
    stored = load_run(measured.run_dir)
    assert (measured.run_dir, measured.interrupted) == (tmp_path / "runs" / "run", False)
    assert (stored.manifest.status, stored.manifest.name, stored.manifest.seed) == ("complete", "first", 7)
    assert len(slots(stored)) == 2 * 4 * 3 + 3  # two workloads, four blocks, three cases; warm-ups
    assert {t.outcome for t in stored.trials()} == {"ok"}
    assert not any(runner.open_places for runner in runners.values())


def test_facts_of_probes_are_in_the_manifest(tmp_path):
    provisioned, _ = make(tmp_path)
    measured = measure(make_request(tmp_path), provisioned, PLAN, Telling())
    assert load_run(measured.run_dir).manifest.probes["box"].facts == FACTS


def test_the_host_is_idle_for_a_moment_before_anything_is_measured(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr("time.sleep", done.append)
    monkeypatch.setattr(FakeRunner, "open", _noting(FakeRunner.open, done))
    measure(make_request(tmp_path), make(tmp_path)[0], PLAN, Telling())
    assert done.index(run.SETTLE_SECONDS) < done.index("open")


def _noting(method, done):
    def noting(*arguments, **options):
        done.append("open")
        return method(*arguments, **options)

    return noting


def test_steal_time_is_that_of_the_whole_run_once_it_is_over(tmp_path, monkeypatch):
    early = [Condition("swap", ok=True, found="none"), Condition("steal", ok=True, found="early")]
    monkeypatch.setattr(manifest, "conditions", lambda _workdir, since=None: tuple(early))
    made, _ = make(tmp_path)
    began = CpuSample(time.monotonic() - 7000.0, CpuTime(0.0, 0.0))
    provisioned = replace(made, bench=replace(made.bench, cpu_before=began))
    measured = measure(make_request(tmp_path), provisioned, PLAN, Telling())
    swap, steal = load_run(measured.run_dir).manifest.host["conditions"]
    assert (swap["name"], swap["found"], steal["name"]) == ("swap", "none", "steal")
    assert " % in 70" in steal["found"]


def test_the_origin_of_a_run_is_what_was_asked_for_at_its_start(tmp_path):
    made, _ = make(tmp_path)
    asked = Provenance(commit="c" * 40, branch="trunk")
    provisioned = replace(made, bench=replace(made.bench, provenance=lambda: asked))
    measured = measure(make_request(tmp_path), provisioned, PLAN, Telling())
    assert load_run(measured.run_dir).manifest.provenance == asked


@pytest.mark.parametrize("patience", [1, 9, 20])
def test_an_interrupted_run_keeps_what_was_measured_and_goes_on_where_it_ended(tmp_path, patience):
    provisioned, runners = make(tmp_path)
    progress = Impatient(patience)
    request = make_request(tmp_path)
    first = measure(request, provisioned, PLAN, progress)
    assert first.interrupted
    assert load_run(first.run_dir).manifest.status == "interrupted"
    assert len(list(load_run(first.run_dir).trials())) == patience
    assert not any(runner.open_places for runner in runners.values())
    assert progress.lines[-1].endswith("Go on with: tare run --resume run")
    assert load_run(first.run_dir).manifest.course.ended == "interrupted"

    again = Telling()
    second = measure(replace(request, resume="run"), provisioned, PLAN, again)
    stored = load_run(second.run_dir)
    whole = measure(make_request(tmp_path / "whole"), make(tmp_path)[0], PLAN, Telling())
    assert (second.interrupted, stored.manifest.status) == (False, "complete")
    assert slots(stored, warmups=False) == slots(load_run(whole.run_dir), warmups=False)
    assert [t.number for t in stored.trials()] == list(range(len(slots(stored))))
    assert f"going on with run at trial {patience}" in again.lines


def test_openings_of_a_resumed_run_have_numbers_of_their_own(tmp_path):
    provisioned, _ = make(tmp_path)
    request = make_request(tmp_path)
    first = measure(request, provisioned, PLAN, Impatient(20))
    before = {t.invocation for t in load_run(first.run_dir).trials()}
    second = measure(replace(request, resume="run"), provisioned, PLAN, Telling())
    after = {t.invocation for t in list(load_run(second.run_dir).trials())[20:]}
    assert before.isdisjoint(after)


def scheduled(workloads, **changes):
    return make_plan(workloads, blocks=None, **changes)


def test_what_was_precise_enough_is_recorded_and_how_the_time_was_used(tmp_path):
    provisioned, _ = make(tmp_path)
    told = Telling()
    measured = measure(make_request(tmp_path), provisioned, scheduled([Null(), Steady()]), told)
    stored = load_run(measured.run_dir)
    assert stored.manifest.precise_after_blocks == {"null": 10, "work": 10}
    assert len(slots(stored)) == 2 * (10 * 2 + 6)  # the control is in the first two of four
    course = stored.manifest.course
    assert (course.ended, course.streams[""].blocks) == ("decided", 20)
    assert 0 < course.streams[""].seconds <= course.used_seconds
    # Jobs of the fake runners take no time, but their marks say what they would have taken.
    assert 52 * 0.010 < course.streams[""].in_jobs_seconds < 62 * 0.010
    assert told.lines[-1].endswith("of 43 s: all intervals are within ±1 %")


def test_versions_stop_together(tmp_path):
    provisioned, _ = make(tmp_path)
    plan = scheduled([Steady("base"), Steady("head")], together=True).without({("head", CONTROL)})
    versions = (CommandVersion("base", ("a",)), CommandVersion("head", ("b",)))
    request = replace(make_request(tmp_path), versions=versions)
    stored = load_run(measure(request, provisioned, plan, Telling()).run_dir)
    assert stored.manifest.precise_after_blocks == {"base+head": 35}
    assert {t.block for t in stored.trials()} == set(range(35))


@pytest.mark.parametrize("precision", [0.00075, 0.0025, 0.005, 0.01])
def test_versions_are_not_precise_before_a_difference_of_the_threshold_can_be_called(precision):
    plan = scheduled([Steady("base"), Steady("head")], together=True, precision=precision)
    (account,) = Ledger(plan, "bare", {}).accounts.values()
    threshold = math.log1p(4 * precision)
    assert lasting_state(account.fewest) <= threshold < lasting_state(account.fewest - 1)
    alone = scheduled([Steady()], precision=precision)
    assert [one.fewest for one in Ledger(alone, "bare", {}).accounts.values()] == [0]


def test_a_finished_run_is_extended(tmp_path):
    provisioned, _ = make(tmp_path, noise=3.0)
    request, plan = make_request(tmp_path), scheduled([Steady()], budget_seconds=0.1)
    first = measure(request, provisioned, plan, again := Telling())
    before = load_run(first.run_dir)
    had = len(slots(before))
    assert (before.manifest.status, before.manifest.course.ended) == ("complete", "budget")
    assert again.lines[-1].endswith("For more: tare run --resume run --budget 0.1s")

    longer = replace(plan, budget_seconds=0.3, estimate_seconds=0.3)
    extended = replace(request, resume="run", extension_seconds=0.2)
    measure(extended, provisioned, longer, again)
    after = load_run(first.run_dir)
    assert after.manifest.status == "complete"
    assert after.manifest.plan["budget_seconds"] == 0.3
    assert [one.budget_seconds for one in after.manifest.resumed] == [0.2]
    assert len(slots(after)) > had
    assert after.manifest.course.used_seconds == pytest.approx(0.3, abs=0.15)
    blocks = {t.block for t in after.trials()}
    assert blocks == set(range(len(blocks)))


def test_what_jobs_cost_is_remembered_for_the_next_plan(tmp_path):
    provisioned, _ = make(tmp_path)
    measure(make_request(tmp_path), provisioned, PLAN, Impatient(30))
    assert "open@box" in (tmp_path / "timings.json").read_text()


class Full(Telling):
    """Fills the disk after so many trials: nothing can be written any more, the manifest included."""

    def trial(self, done, what):
        super().trial(done, what)
        if done == 3:
            raise NotWritten("cannot write trials.jsonl: no space left")


def test_a_full_disk_is_told_of_the_trials_and_the_run_can_be_taken_up(tmp_path, monkeypatch):
    def finish(_writer, _status):
        raise NotWritten("cannot write manifest.json: no space left")

    monkeypatch.setattr(RunWriter, "finish", finish)
    provisioned, _ = make(tmp_path)
    with pytest.raises(NotWritten, match=r"trials\.jsonl"):
        measure(make_request(tmp_path), provisioned, PLAN, Full())
    (folder,) = (tmp_path / "runs").iterdir()
    run = load_run(folder)
    assert run.manifest.status != "complete"
    assert len(list(run.trials())) == 3
