import time

import pytest

from support.campaigns import Steady, make_plan
from tare.bench.campaign.deadline import Deadline
from tare.bench.planning.modes import MODES


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("estimate", "allowed"), [(1.0, 2 * MODES["quick"].budget_seconds + 30), (100.0, 2 * 100 + 30)]
)
def test_a_plan_may_take_twice_its_estimate_or_its_budget_whichever_is_longer(clock, estimate, allowed):
    told = []
    deadline = Deadline.of_plan(make_plan([Steady()], estimate_seconds=estimate), told.append)
    clock[0] += allowed - 0.001
    assert not deadline.passed("block 7")
    assert told == []
    clock[0] += 0.001
    assert deadline.passed("block 7")
    assert deadline.passed("block 8")
    assert told == [
        "time is up (twice what was planned): stopped before block 7; all that was measured counts"
    ]
