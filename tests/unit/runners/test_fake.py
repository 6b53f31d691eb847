"""The fake is deterministic, keeps the contract, and fails as scripted."""

import pytest

from tare.results.record import MARKS
from tare.runners.errors import PlaceFailure
from tare.runners.fake import FakeClock, FakeRunner
from tare.runners.model import Job, Probe

JOB = Job(argv=("/bin/x",), timeout_seconds=2)


def trials(runner, count=5):
    seen = []
    for _ in range(count):
        with runner.open(first=JOB) as place:
            result = place.run(JOB)
        seen.append((dict(place.timeline), result))
    return seen


def test_equal_arguments_give_equal_trials():
    assert trials(FakeRunner("a", noise=0.1, seed=3)) == trials(FakeRunner("a", noise=0.1, seed=3))
    assert trials(FakeRunner("a", noise=0.1, seed=3)) != trials(FakeRunner("a", noise=0.1, seed=4))


@pytest.mark.parametrize("guest", [False, True])
def test_a_cold_start_has_all_marks_in_order(guest):
    timeline, _ = trials(FakeRunner("a", guest=guest), 1)[0]
    special = {"entered", "restored", "created", "ended"} | (set() if guest else {"kernel"})
    assert list(timeline) == [mark for mark in MARKS if mark not in special]
    assert list(timeline.values()) == sorted(timeline.values())


def test_durations_are_as_scripted():
    timeline, result = trials(FakeRunner("a", launch_seconds=1, job_seconds=2), 1)[0]
    assert timeline["ready"] - timeline["requested"] == pytest.approx(0.75e9)
    assert result.inside_seconds == pytest.approx(2)


def test_places_share_a_clock_and_interleave():
    clock = FakeClock()
    with FakeRunner("a", clock=clock).open() as one, FakeRunner("b", clock=clock).open() as two:
        times = [place.run(JOB).started_ns for place in (one, two, one, two)]
    assert times == sorted(times)


def test_openings_fail_as_scripted():
    runner = FakeRunner("a", open_failures={1: "no memory"})
    with runner.open():
        assert runner.open_places == 1
    with pytest.raises(PlaceFailure, match="no memory"):
        runner.open()
    with runner.open() as place:
        place.run(JOB)
        place.close()
    assert runner.open_places == 0
    assert runner.log == ["open"] * 3


def test_jobs_fail_as_scripted():
    runner = FakeRunner(
        "a",
        faults={0: "exit", 1: "signal", 2: "timeout", 3: "error", 4: "lost", 5: "backwards"},
        answer=lambda *_: b"out",
    )
    with runner.open() as place:
        assert place.run(JOB).exit_code == 1
        assert place.run(JOB).signal == 9
        late = place.run(JOB)
        assert late.timed_out
        assert late.inside_seconds == pytest.approx(2)
        assert "ENOENT" in place.run(JOB).error
        with pytest.raises(PlaceFailure, match="died"):
            place.run(JOB)
        wrong = place.run(JOB)
        assert wrong.finished_ns < wrong.started_ns
        assert place.run(JOB).stdout == b"out"


def test_output_is_cut_at_its_limit():
    runner = FakeRunner("a", answer=lambda *_: b"x" * 100)
    with runner.open() as place:
        result = place.run(Job(argv=("x",), output_limit_bytes=10))
    assert (len(result.stdout), result.stdout_bytes) == (10, 100)


def test_labels_and_probes():
    assert FakeRunner("q", accelerator="tcg").label == "q(tcg)"
    assert FakeRunner("q", accelerator="kvm").label == "q"
    assert FakeRunner("q").probe().ok
    assert not FakeRunner("q", refusal=Probe(ok=False, reason="why")).probe().ok
