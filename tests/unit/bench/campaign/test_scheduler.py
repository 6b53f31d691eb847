import math

from hypothesis import given
from hypothesis import strategies as st

from tare.bench.campaign.scheduler import (
    COARSER,
    FINER,
    MOST_RATIO,
    PRESUMED_BLOCKS,
    Candidate,
    choose,
    gain,
    price,
    reached,
)


def candidate(name="a", *ratios, blocks=10, seconds=0.1, least=0):
    return Candidate(name, ratios or (1.5,), blocks, seconds, least)


def test_the_first_blocks_come_first_in_even_steps():
    one, other = (
        candidate("one", math.inf, blocks=2, least=3),
        candidate("other", math.inf, blocks=10, least=20),
    )
    assert choose([candidate(), one, other], 100) is other


def test_what_is_aimed_at_advances_side_by_side():
    far, near = candidate("far", 1.8), candidate("near", 1.4)
    assert choose([near, far], 100) is far
    assert choose([near, candidate("far", 1.35)], 100) is near


def test_the_cheapest_answers_come_first_where_not_all_fit():
    cheap, dear = candidate("cheap", 2.0), candidate("dear", 3.0)
    seconds = 1.0 * (4 / COARSER**2 - 1)
    assert choose([dear, cheap], seconds + 1) is cheap
    assert choose([dear, cheap], 100) is dear


def test_a_workload_is_decided_by_either_answer_and_second_answers_come_after_all_first_ones():
    half, none = candidate("half", 9.0, FINER), candidate("none", 1.5, 4.0)
    assert choose([half, none], 20) is none
    assert choose([half, candidate("none", 15.0, 15.0)], 60) is half
    assert choose([half, candidate("whole", 0.9, 1.3)], 20).name == "whole"


def test_what_is_reached_is_made_finer_before_time_goes_to_what_cannot_be_reached():
    reached_by_cpu, hopeless = candidate("cpu", 50.0, 0.9), candidate("hopeless", 40.0, 40.0)
    assert choose([hopeless, reached_by_cpu], 5) is reached_by_cpu
    assert choose([hopeless, candidate("cpu", 50.0, FINER)], 5) is hopeless


def test_a_width_that_is_not_known_yet_is_presumed_to_need_some_blocks():
    unknown, known = candidate("unknown", math.inf), candidate("known", 2.0)
    seconds = 0.1 * (PRESUMED_BLOCKS - 10)
    assert choose([unknown, known], seconds + 2) is unknown
    assert choose([unknown, known], seconds) is known


def test_what_more_blocks_cost_is_estimated_as_if_their_interval_were_no_wider_than_usual():
    widened = Candidate("widened", (6.0,), 10, 0.1, later=(2.0,))
    other = candidate("other", 5.0)
    assert choose([other, widened], 10) is widened
    almost = Candidate("almost", (1.4,), 10, 0.1, later=(1.0,))
    assert choose([almost], 10) is almost


def test_where_nothing_can_be_reached_the_wider_the_fewer_and_the_cheaper_the_sooner():
    wide, narrow = candidate("wide", 1.8), candidate("narrow", 1.6)
    assert choose([narrow, wide], 0) is wide
    dear, cheap = candidate("dear", 9.0, seconds=1.0), candidate("cheap", 9.0)
    assert choose([dear, cheap], 0) is cheap
    many, few = candidate("many", 9.0, blocks=20), candidate("few", 9.0)
    assert choose([many, few], 0) is few
    assert gain(candidate("unknown", math.inf)) == gain(candidate("far", 3.0)) == MOST_RATIO**2


def test_the_first_of_equals_is_chosen_and_nothing_from_nothing():
    assert choose([candidate("b"), candidate("a")], 100).name == "b"
    assert choose([candidate("b"), candidate("a")], 0).name == "b"
    assert choose([], 100) is None


def test_time_and_cpu_count_each_and_what_is_reached_does_not():
    assert gain(candidate("a", 1.5, 1.5)) == 2 * gain(candidate("a", 1.5))
    assert gain(candidate("a", 1.5, 0.9)) == gain(candidate("a", 1.5))
    assert reached((1.0, 0.4))
    assert not reached((1.0, 1.1))


def test_the_price_is_that_of_the_widest_interval():
    assert math.isclose(price(candidate("a", 2.0, 1.5)), 10 * 0.1 * 3)
    assert price(candidate("a", 0.5)) == 0
    assert price(candidate("a", math.inf)) == math.inf


@given(
    st.lists(
        st.builds(
            Candidate,
            st.text(max_size=3),
            st.lists(st.floats(0, 1e9) | st.just(math.inf), min_size=1, max_size=2).map(tuple),
            st.integers(0, 10**6),
            st.floats(0, 1e6),
            st.integers(0, 3),
        ),
        min_size=1,
    ),
    st.floats(0, 1e6),
)
def test_whatever_is_known_one_of_the_candidates_is_chosen(candidates, left):
    assert choose(candidates, left) in candidates
    assert all(0 <= gain(one) < math.inf for one in candidates)
