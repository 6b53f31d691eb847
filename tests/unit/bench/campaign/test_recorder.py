import pytest

from support.campaigns import Steady, Telling, make_plan, make_recorder
from tare.bench.campaign.slots import slots
from tare.bench.planning.case import Skip
from tare.runners.errors import PlaceFailure
from tare.runners.fake import FakeClock, FakeRunner

WORK = Steady()
PLAN = make_plan([WORK])
SLOTS = slots(PLAN, PLAN.units()[0], 0)
BARE, EMULATED = FakeRunner("bare"), FakeRunner("box", accelerator="tcg")


def numbered(store, number, invocation=0, **fields):
    recorder = make_recorder(store, **fields)
    recorder.number, recorder.invocation = number, invocation
    return recorder


@pytest.fixture
def kept():
    return []


def slot(runner):
    return next(one for one in SLOTS if one.case.runner == runner)


def test_trials_are_numbered_as_they_are_stored_and_openings_as_they_are_made(kept):
    recorder = numbered(kept.append, 5, 9)
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


def test_every_stored_trial_is_told_to_the_account_and_to_progress(kept):
    progress, told = Telling(), []
    recorder = numbered(kept.append, 40, progress=progress)
    recorder.account = told.append
    for runner in ("bare", "bare-again"):
        recorder.store(recorder.begin(slot(runner), BARE))
    assert told == kept
    assert progress.trials == [(1, "work on bare"), (2, "work on bare-again")]


def test_each_trial_has_the_time_since_the_one_before_and_what_is_aside_is_nobodys(kept):
    clock = FakeClock()
    recorder = make_recorder(kept.append, clock=clock)
    recorder.begin_measuring()
    clock.advance(2.0)
    recorder.store(recorder.begin(slot("bare"), BARE))
    with recorder.aside():
        clock.advance(1.5)
        recorder.store(recorder.begin(slot("bare"), BARE))
        clock.advance(40.0)
    clock.advance(0.25)
    recorder.store(recorder.begin(slot("bare"), BARE))
    assert [trial.spent_seconds for trial in kept] == [2.0, 1.5, 0.25]


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
    progress, told = Telling(), []
    recorder = make_recorder(kept.append, progress=progress)
    recorder.account = told.append
    recorder.store_skips([Skip("work", "fake", "docker", "none", "no daemon", "start it")] * 2)
    assert [(trial.number, trial.block, trial.outcome) for trial in kept] == [
        (0, -1, "skipped"),
        (1, -1, "skipped"),
    ]
    assert (progress.trials, told) == ([], [])
    assert recorder.number == 2


def test_a_trial_that_could_not_be_stored_has_used_up_no_number():
    def full(_trial):
        raise OSError(28, "No space left on device")

    progress = Telling()
    recorder = numbered(full, 3, progress=progress)
    with pytest.raises(OSError, match="No space"):
        recorder.store(recorder.begin(slot("bare"), BARE))
    assert recorder.number == 3
    assert progress.trials == []
