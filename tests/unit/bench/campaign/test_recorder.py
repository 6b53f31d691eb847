import pytest

from support.campaigns import Steady, Telling, make_plan, make_recorder
from tare.bench.campaign.remaining import Remaining
from tare.bench.campaign.stopping import EveryBlock
from tare.bench.planning.plan import Skip
from tare.runners.errors import PlaceFailure
from tare.runners.fake import FakeRunner

WORK = Steady()
SLOTS = Remaining(make_plan([WORK])).slots(WORK, 0)
BARE, EMULATED = FakeRunner("bare"), FakeRunner("box", accelerator="tcg")


class Noting(EveryBlock):
    def __init__(self):
        self.trials = []

    def add(self, trial):
        self.trials.append(trial)


@pytest.fixture
def kept():
    return []


def slot(runner):
    return next(one for one in SLOTS if one.case.runner == runner)


def test_trials_are_numbered_as_they_are_stored_and_openings_as_they_are_made(kept):
    recorder = make_recorder(kept.append, number=5, invocation=9)
    early, late = recorder.begin(slot("bare"), BARE), recorder.begin(slot("box"), EMULATED)
    assert [recorder.next_invocation(), recorder.next_invocation()] == [9, 10]
    recorder.store(late)
    recorder.store(early)
    assert [(trial.number, trial.runner, trial.invocation) for trial in kept] == [
        (5, "box(tcg)", 9),
        (6, "bare", 9),
    ]
    assert recorder.begin(slot("bare"), BARE).invocation == 11


def test_the_control_is_recorded_under_its_own_label(kept):
    recorder = make_recorder(kept.append)
    recorder.store(recorder.begin(slot("bare-again"), BARE))
    (trial,) = kept
    assert (trial.runner, trial.control) == ("bare-again", True)


def test_every_stored_trial_is_told_to_the_stopping_rule_and_to_progress(kept):
    progress, stopping = Telling(), Noting()
    recorder = make_recorder(kept.append, progress=progress, stopping=stopping, number=40)
    for runner in ("bare", "bare-again"):
        recorder.store(recorder.begin(slot(runner), BARE))
    assert stopping.trials == kept
    assert progress.trials == [(1, "work on bare"), (2, "work on bare-again")]


def test_a_failure_is_stored_with_its_remedy_and_told(kept):
    progress = Telling()
    recorder = make_recorder(kept.append, progress=progress)
    recorder.store_failed(recorder.begin(slot("bare"), BARE), PlaceFailure("no room", remedy="make room"))
    (trial,) = kept
    assert (trial.outcome, trial.reason, trial.remedy) == ("failed", "no room", "make room")
    assert progress.lines == ["work on bare: failed: no room"]


def test_a_skip_of_a_planned_trial_is_stored_and_not_told(kept):
    progress = Telling()
    recorder = make_recorder(kept.append, progress=progress)
    recorder.store_skipped(recorder.begin(slot("bare"), BARE), "given up", "look at it")
    (trial,) = kept
    assert (trial.outcome, trial.reason, trial.remedy) == ("skipped", "given up", "look at it")
    assert progress.lines == []


def test_the_plans_skips_are_numbered_and_are_no_progress(kept):
    progress, stopping = Telling(), Noting()
    recorder = make_recorder(kept.append, progress=progress, stopping=stopping)
    recorder.store_skips([Skip("work", "fake", "docker", "none", "no daemon", "start it")] * 2)
    assert [(trial.number, trial.block, trial.outcome) for trial in kept] == [
        (0, -1, "skipped"),
        (1, -1, "skipped"),
    ]
    assert (progress.trials, stopping.trials) == ([], [])
    assert recorder.number == 2


def test_a_trial_that_could_not_be_stored_has_used_up_no_number():
    def full(_trial):
        raise OSError(28, "No space left on device")

    progress = Telling()
    recorder = make_recorder(full, progress=progress, number=3)
    with pytest.raises(OSError, match="No space"):
        recorder.store(recorder.begin(slot("bare"), BARE))
    assert recorder.number == 3
    assert progress.trials == []
