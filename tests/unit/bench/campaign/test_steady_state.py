import time
from pathlib import Path

import pytest

from support.campaigns import Steady, Telling, make_plan, make_provisioned, make_recorder
from support.changing import replace
from tare.bench.campaign import steady_state
from tare.bench.campaign.failures import GIVE_UP_AFTER, Failures
from tare.bench.campaign.slots import slots
from tare.bench.campaign.steady_state import SteadyState
from tare.results.record import Metric
from tare.runners import fake
from tare.runners.fake import FakeClock, FakePlace, FakeRunner
from tare.runners.model import Job


class Collecting:
    """A collector that reads nothing and says when."""

    name = "fake"

    def __init__(self, log):
        self.log = log
        self.unavailable = {"fake.lost": "no file"}

    def begin(self, vantage):
        self.log.append("begin")
        return vantage

    def end(self, state):
        self.log.append("end")
        return (Metric(name="fake.read", value=1, unit="count", direction="none"),)


@pytest.fixture(autouse=True)
def log(monkeypatch):
    entries = []
    monkeypatch.setattr(steady_state, "default_collectors", lambda _vantage: (Collecting(entries),))
    return entries


def make(workload=None, *, box=None, costly=False, **plan):
    clock, kept, progress = FakeClock(), [], Telling()
    runners = {"bare": FakeRunner("bare", clock=clock), "box": FakeRunner("box", clock=clock, **(box or {}))}
    made = make_plan([workload or Steady()], **plan)
    if costly:
        made = replace(made, cheap=frozenset({"bare", "bare-again"}))
    steady = SteadyState(
        made,
        make_provisioned(runners),
        make_recorder(kept.append, progress=progress),
        Failures("failed openings", progress.say),
    )
    return steady, kept, runners, progress


def measure(steady, blocks=range(1), kept=None):
    (unit,) = steady.plan.units()
    for block in blocks:
        steady.block(unit, slots(steady.plan, unit, block), kept)


def test_cheap_places_are_made_anew_for_every_block():
    steady, kept, runners, _ = make()
    measure(steady, range(3))
    assert sorted({t.block for t in kept}) == [0, 1, 2]
    assert len({t.invocation for t in kept}) == 9
    assert (runners["bare"].openings, runners["box"].openings) == (6, 3)
    assert not any(runner.open_places for runner in runners.values())


def test_places_that_are_kept_are_shared_by_blocks():
    steady, kept, runners, _ = make(costly=True)
    with steady.places() as places:
        measure(steady, range(3), places)
        assert (runners["box"].open_places, runners["bare"].open_places) == (1, 0)
    assert len({t.invocation for t in kept if t.runner == "box"}) == 1
    assert len({t.invocation for t in kept if t.runner == "bare"}) == 3
    assert not runners["box"].open_places


class Timed(Steady):
    lengths: list[float] = []  # noqa: RUF012 - of this test alone

    def job(self, site, seconds):
        self.lengths.append(seconds)
        return Job(argv=("/work",))


def test_warm_ups_come_first_are_shorter_and_are_not_remembered_as_costs():
    Timed.lengths.clear()
    steady, kept, _, _ = make(Timed(), warmups=True)
    measure(steady, range(3))
    assert [t.warmup for t in kept] == [True, False] * 3 + [False] * 6
    short = [length for length, one in zip(Timed.lengths, kept, strict=True) if one.warmup]
    assert max(short) < min(set(Timed.lengths) - set(short))
    costs = steady.recorder.costs.seconds
    assert {key: len(times) for key, times in costs.items() if key.startswith("work@box")} == {
        "work@box/0.05": 3
    }


def test_what_has_a_page_cache_of_its_own_is_warmed_up_in_every_opening():
    steady, kept, _, _ = make(warmups=True, costly=True)
    for first in (0, 2):
        with steady.places() as places:
            places.open("box")
            measure(steady, range(first, first + 2), places)
    assert [t.block for t in kept if t.warmup and t.runner == "box"] == [0, 2]
    assert [t.block for t in kept if t.warmup and t.runner == "bare"] == [0]


def test_a_job_is_as_long_as_its_workload_needs():
    Timed.lengths.clear()

    class Long(Timed):
        shortest_seconds = 0.3

    steady, _, _, _ = make(Long())
    measure(steady)
    assert set(Timed.lengths) == {0.3}
    assert "work@box/0.3" in steady.recorder.costs.seconds


def test_collectors_read_around_each_job_and_what_they_cannot_read_is_noted(log):
    steady, kept, _, _ = make()
    measure(steady)
    assert log == ["begin", "end"] * 3
    for trial in kept:
        assert {metric.name for metric in trial.metrics} > {"work.seconds", "fake.read"}
        assert trial.notes["unavailable"] == "fake.lost: no file"
        assert set(trial.timeline) == {"started", "finished"}


def test_a_job_that_failed_has_no_metrics_of_collectors():
    steady, kept, _, _ = make(box={"faults": {0: "exit"}})
    measure(steady)
    (bad,) = [t for t in kept if t.outcome != "ok"]
    assert (bad.runner, bad.metrics) == ("box", ())


def test_a_runner_that_is_given_up_is_skipped_until_the_end():
    failures = dict.fromkeys(range(99), "no luck")
    steady, kept, _, progress = make(box={"open_failures": failures})
    measure(steady, range(4))
    assert [t.outcome for t in kept if t.runner == "box"] == ["failed"] * GIVE_UP_AFTER + ["skipped"] * (
        4 - GIVE_UP_AFTER
    )
    assert "box: given up after 2 failed openings in a row: no luck" in progress.lines


def test_a_kept_place_that_could_not_be_opened_is_not_warmed_up():
    steady, kept, _, _ = make(box={"open_failures": {0: "bad luck"}}, warmups=True, costly=True)
    with steady.places() as places:
        places.open("box")
        measure(steady, range(1), places)
    assert [(t.outcome, t.warmup) for t in kept if t.runner == "box"] == [("ok", False)]


class Laying(Steady):
    """Needs a file in each place."""

    def preparation(self, site):
        return Job(argv=("/layout", site.scratch))


def answering(log, fails=()):
    def answer(job, _chance):
        log.append(job.argv[0])
        return b""

    return {"answer": answer, "faults": dict.fromkeys(fails, "exit")}


def test_what_a_place_needs_is_done_once_in_each_opening_and_is_no_trial():
    jobs = []
    steady, kept, _, _ = make(Laying(), box=answering(jobs), costly=True)
    with steady.places() as places:
        places.open("box")
        measure(steady, range(2), places)
    with steady.places() as places:
        places.open("box")
        measure(steady, [2], places)
    assert jobs == ["/layout", "/work", "/work", "/layout", "/work"]
    assert len([trial for trial in kept if trial.runner == "box"]) == 3


def test_a_place_that_cannot_be_prepared_fails_the_trial_and_the_next_tries_again():
    jobs = []
    steady, kept, runners, _ = make(Laying(), box=answering(jobs, fails=[0]))
    measure(steady, range(2))
    first, second = (trial for trial in kept if trial.runner == "box")
    assert first.outcome != "ok"
    assert "work could not be prepared" in first.reason
    assert second.outcome == "ok"
    assert runners["box"].open_places == 0


class SharedFile(Laying):
    """Its file is all that the preparation makes."""

    @property
    def prepared_file(self):
        return "big"


class Scratch(FakePlace):
    """A place whose scratch folder is one of the host's, in which laying out makes the file."""

    folder: Path

    def __init__(self, *made):
        super().__init__(*made)
        own = self.folder / f"{self._runner.name}-{time.monotonic_ns()}"
        own.mkdir()
        self.vantage = replace(self.vantage, scratch=own)

    def run(self, job):
        if job.argv[0] == "/layout":
            (self.vantage.scratch / "big").write_text(self._runner.name)
        return super().run(job)


def test_a_file_that_places_can_share_is_laid_out_once_on_bare_metal(tmp_path, monkeypatch):
    jobs = []
    Scratch.folder = tmp_path
    monkeypatch.setattr(fake, "FakePlace", Scratch)
    steady, kept, _, _ = make(SharedFile(), box=answering(jobs))
    context = replace(steady.provisioned.bench.supplies.context, workdir=tmp_path)
    supplies = replace(steady.provisioned.bench.supplies, context=context)
    bench = replace(steady.provisioned.bench, supplies=supplies)
    steady = replace(steady, provisioned=replace(steady.provisioned, bench=bench))
    measure(steady, range(4))
    assert {trial.outcome for trial in kept} == {"ok"}
    # At most the first block's, if the box came before the base in it.
    assert jobs.count("/layout") <= 1
    assert jobs.count("/work") == 4
    assert (tmp_path / "shared-files" / "big").read_text() == "bare"


class Around(Steady):
    """A workload that needs something before and after each job, and takes status 1 for a good end."""

    @property
    def exit_codes(self):
        return (0, 1)

    @property
    def shows_output(self):
        return True

    def before(self, site):
        return Job(("before", site.scratch))

    def after(self, site):
        return Job(("after", site.scratch))


def test_what_goes_around_a_job_is_run_untimed_in_its_place():
    def answer(job, _chance):
        seen.append(job.argv[0])
        return b"said"

    seen: list[str] = []
    steady, kept, _, progress = make(Around(), box={"answer": answer, "faults": {1: "exit"}})
    measure(steady)
    assert seen == ["before", Steady().job(None, 0).argv[0], "after"]
    assert [trial.outcome for trial in kept] == ["ok"] * 3
    assert any(line.endswith("on box: said") for line in progress.lines)


def test_a_trial_whose_preparation_or_cleanup_fails_has_no_number():
    for fault, why in (
        (0, "could not be prepared: exit status 1"),
        (2, "could not be cleaned up: exit status 1"),
    ):
        steady, kept, runners, _ = make(Around(), box={"faults": {fault: "exit"}})
        measure(steady)
        (box,) = [trial for trial in kept if trial.runner == "box"]
        assert (box.outcome, box.metrics) == ("failed", ())
        assert why in box.reason
        assert runners["box"].open_places == 0
