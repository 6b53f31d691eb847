from hypothesis import given
from hypothesis import strategies as st

from support.campaigns import KEYS, Steady, make_plan
from support.results_making import trial
from tare.bench.campaign.remaining import Remaining, Slot, done_slots
from tare.bench.workloads.null import Null

WORK = Steady()
PLAN = make_plan([Null(), WORK])


class Enough:
    """Says that the named workloads need so many blocks."""

    def __init__(self, **blocks):
        self.blocks = blocks

    def add(self, trial):
        raise AssertionError(trial)

    def enough(self, workload, blocks):
        return blocks >= self.blocks.get(workload, 99)


def test_slots_are_the_plans_cases_in_the_plans_order():
    slots = Remaining(PLAN).slots(WORK, 2)
    assert [slot.case for slot in slots] == PLAN.block(WORK, 2)
    assert [slot.position for slot in slots] == [0, 1, 2]
    assert {slot.block for slot in slots} == {2}


@given(st.sets(st.tuples(st.sampled_from(KEYS), st.booleans())))
def test_what_is_done_is_left_out_and_the_others_keep_their_positions(done):
    keys = frozenset(("work", key, 1, warmup) for key, warmup in done)
    whole, rest = Remaining(PLAN), Remaining(PLAN, keys)
    for warmup in (False, True):
        expected = [
            slot for slot in whole.slots(WORK, 1, warmup=warmup) if (slot.case.runner, warmup) not in done
        ]
        assert rest.slots(WORK, 1, warmup=warmup) == expected


def test_workloads_that_need_no_more_blocks_are_left_out():
    remaining = Remaining(PLAN, stopping=Enough(work=2))
    assert remaining.workloads("steady", 1) == (WORK,)
    assert remaining.workloads("steady", 2) == ()
    assert remaining.workloads("cold", 2) == (Null(),)
    assert remaining.wanted([WORK, Null()], 2) == (Null(),)


def test_stored_trials_name_the_slots_that_are_done():
    slot = Slot(PLAN.cases[0], 3, 1, warmup=True)
    stored = [
        trial(0, workload="null", runner="bare", block=3, warmup=True),
        trial(1, workload="null", runner="box(tcg)", block=0),
        trial(2, workload="null", runner="docker", block=-1, outcome="skipped", reason="no daemon"),
    ]
    assert done_slots(stored, {"box(tcg)": "box"}) == {slot.key, ("null", "box", 0, False)}
