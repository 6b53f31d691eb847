"""The time left that is shown: the rule, and that nothing is decided by it."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.campaigns import Steady, make_campaign, make_plan
from support.experiments import Pair, plan_experiments
from tare.bench.campaign import steady_state
from tare.bench.campaign.precision import Spread
from tare.bench.campaign.time_left import FUTURES, TOLERANCE, futures, likeliest, shuffled
from tare.bench.planning.modes import MODES
from tare.results.statistics.width import CHECKPOINTS
from tare.runners.fake import FakeClock, FakeRunner

PRESUMED = 10.0


def needing(blocks, known_from, widened=1.0):
    """Know a spread that is within the target with so many blocks."""
    return Spread(known_from, math.sqrt(blocks), widened)


@given(
    st.lists(st.builds(Spread, st.integers(2, 10**4), st.floats(0, 1e6), st.floats(0.2, 50)), max_size=2),
    st.integers(0, 10**4),
    st.integers(0, 50),
)
def test_a_unit_ends_at_a_look_at_its_widths(spreads, blocks, fewest):
    ends = futures(spreads, PRESUMED, blocks, fewest)
    assert len(ends) == FUTURES
    assert all(one in CHECKPOINTS and one > blocks and one >= fewest for one in ends)
    assert all(one <= other for one, other in pairwise(ends))


def test_what_is_almost_precise_goes_on_to_the_next_look():
    ends = futures([needing(61, known_from=60)], PRESUMED, blocks=60, fewest=0)
    assert ends[0] == ends[FUTURES // 2] == 80
    assert ends[-1] > 80


def test_the_widest_of_all_comparisons_counts():
    narrow, wide = needing(30, known_from=20), needing(150, known_from=20)
    alone = futures([wide], PRESUMED, 20, 0)
    assert futures([narrow, wide], PRESUMED, 20, 0) == alone
    assert sum(futures([wide, wide], PRESUMED, 20, 0)) > sum(alone)


def test_what_is_known_of_few_blocks_counts_less_beside_what_is_presumed():
    few, many = (futures([needing(1000, known_from=n)], PRESUMED, 3, 0)[FUTURES // 2] for n in (3, 500))
    assert futures((), PRESUMED, 3, 0)[FUTURES // 2] < few < many
    less, more = (futures([needing(1000, known_from=n)], PRESUMED, 3, 0) for n in (3, 500))
    assert less[-2] / less[1] > 2 * more[-2] / more[1]


def test_an_interval_that_is_widened_for_dependence_is_expected_to_be_so_at_the_next_look_and_less_later():
    plain, widened = (futures([needing(30, 20, factor)], PRESUMED, 20, 0) for factor in (1.0, 4.0))
    assert plain[FUTURES // 2] in {30, 40}
    assert 40 < widened[FUTURES // 2] < 160


def test_the_futures_of_each_unit_come_in_an_order_of_its_own():
    ends = list(range(FUTURES))
    orders = [shuffled(ends, unit) for unit in range(2 * FUTURES)]
    assert orders[0] == ends
    assert all(sorted(one) == ends for one in orders)
    assert len({tuple(one) for one in orders}) == len(orders)
    # Lognormal times of many units add up to much the same in each future, as those of one unit do not.
    times = [math.exp((i - FUTURES / 2) / 8) for i in ends]
    totals = [sum(times[order[i]] for order in orders[1:]) for i in range(1, FUTURES)]
    assert max(totals) < 1.6 * min(totals)


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=FUTURES))
def test_no_other_figure_is_right_more_often(totals):
    def right(shown):
        return sum(abs(shown / one - 1) <= TOLERANCE + 1e-9 for one in totals)

    others = [one * factor for one in totals for factor in (1 - TOLERANCE, 1.0, 1 + TOLERANCE)]
    assert right(likeliest(totals)) >= max(map(right, others))


def test_between_two_looks_one_figure_may_be_right_for_both_and_of_equals_the_middle_one_is_shown():
    assert likeliest([30.0] * 4 + [40.0] * 4) == 35.0
    assert likeliest([1.0] * 5 + [10.0] * 5 + [100.0] * 5) == 10.0
    assert likeliest([0.0, 0.0]) == 0.0


@pytest.fixture
def no_collectors(monkeypatch):
    monkeypatch.setattr(steady_state, "default_collectors", lambda _vantage: ())


def scheduled(noise, budget=500.0, looking=None):
    """Make a campaign; ``looking`` is called after each trial."""
    clock, kept = FakeClock(), []
    runners = {
        key: FakeRunner(key, clock=clock, job_seconds=0.05, launch_seconds=0.005, noise=noise)
        for key in ("bare", "box")
    }
    plan = make_plan((Steady(),), blocks=None, budget_seconds=budget, job_seconds=0.05)
    campaign = make_campaign(plan, runners, kept.append)
    account = campaign.recorder.account

    def told(trial):
        account(trial)
        if looking is not None:
            looking(campaign.agenda)

    campaign.recorder.account = told
    return campaign, kept


@pytest.mark.usefixtures("no_collectors")
def test_the_time_left_is_known_before_there_is_an_interval_and_never_ends_between_two_looks():
    shown = []

    def look(agenda):
        (account,) = agenda.ledger.accounts.values()
        shown.append((agenda.used_seconds, account.blocks, account.block_seconds, agenda.seconds_left()))

    campaign, _ = scheduled(0.03, looking=look)
    campaign.run()
    whole = campaign.agenda.used_seconds
    assert campaign.agenda.ended == "decided"
    last = shown[-1][1]
    assert 40 <= last in CHECKPOINTS
    for used, blocks, seconds, left in (one for one in shown if one[1] < last):
        to_look = min(one for one in CHECKPOINTS if one > blocks) - blocks
        assert left >= (1 - TOLERANCE) * to_look * seconds
        if 5 <= blocks < CHECKPOINTS[0]:
            assert (whole - used) / 4 < left < 4 * (whole - used)


@pytest.mark.usefixtures("no_collectors")
def test_showing_the_time_left_changes_nothing_that_is_measured():
    sequences = []
    for looking in (None, lambda agenda: agenda.seconds_left()):
        campaign, kept = scheduled(0.03, looking=looking)
        campaign.run()
        sequences.append([(one.workload, one.runner, one.block, one.position) for one in kept])
    assert sequences[0] == sequences[1]


@pytest.mark.usefixtures("no_collectors")
def test_experiments_go_on_for_no_more_than_their_share_and_their_most_blocks():
    for most, takes in ((15, 2.0), (4, 0.5)):
        plan = plan_experiments([Pair(most_blocks=most)])
        clock = FakeClock()
        runners = {key: FakeRunner(key, clock=clock) for key in ("bare", "box")}
        agenda = make_campaign(plan, runners, lambda _trial: None).agenda
        agenda.begin()
        for unit, account in agenda.ledger.accounts.items():
            account.done = {block: set() for block in range(3)}
            account._good = dict.fromkeys(account.done, 3)
            account.seconds = 3 * (takes if unit.shares_budget else 1e-9)
        share = MODES["quick"].experiment_share * plan.budget_seconds
        room = max(share - 3 * takes, 0.0)
        assert agenda.seconds_left() == pytest.approx(min(room, (most - 3) * takes), rel=TOLERANCE, abs=1e-3)
