import pytest

from support.campaigns import Steady, make_plan
from tare.bench.campaign.ending import closing_line
from tare.results.record import Course

PLAN = make_plan([Steady("a"), Steady("b")], blocks=None, budget_seconds=540)


def line(ended, plan=PLAN, precise=("a",)):
    return closing_line(
        plan, Course(ended=ended, used_seconds=500, streams={}), precise, "tare run --resume X"
    )


def test_a_spent_budget_is_told_with_what_it_reached_and_how_to_go_on():
    assert line("budget") == (
        "measured for 8:20 of 9:00: the budget is spent (1 of 2 groups of a workload and its runners are within ±1 %)."
        " For more: tare run --resume X --budget 9m"
    )


def test_an_interrupted_run_is_gone_on_with_as_it_is():
    assert line("interrupted").endswith("all that was measured is kept. Go on with: tare run --resume X")


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        ("decided", "all intervals are within ±1 %"),
        ("counted", "all blocks that were asked for are measured"),
        ("exhausted", "more blocks would add nothing"),
    ],
)
def test_what_needs_no_more_time_is_told_so(ended, why):
    text = line(ended, precise=("a", "b"))
    assert why in text
    assert "--resume" not in text


def test_an_exact_number_of_blocks_is_not_extended():
    assert "--budget" not in line("deadline", make_plan([Steady()], blocks=5))


def test_a_number_of_blocks_has_no_budget_to_be_told_of():
    counted = line("counted", make_plan([Steady()], blocks=5, budget_seconds=540))
    assert counted == "measured for 8:20: all blocks that were asked for are measured"


def test_a_short_budget_is_suggested_with_its_unit():
    assert line("budget", make_plan([Steady()], blocks=None, budget_seconds=43)).endswith(" --budget 43s")
