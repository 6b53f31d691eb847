import math

from hypothesis import given
from hypothesis import strategies as st

from tare.bench.campaign.scheduler import HOPELESS, MOST_RATIO, Candidate, choose, gain, price, reached


def candidate(name="a", *ratios, blocks=10, seconds=0.1, least=0):
    return Candidate(name, ratios or (1.5,), blocks, seconds, least)


def test_the_wider_the_fewer_and_the_cheaper_the_sooner():
    wide, narrow = candidate("wide", 1.8), candidate("narrow", 1.2)
    assert choose([narrow, wide], 100) is wide
    dear, cheap = candidate("dear", seconds=1.0), candidate("cheap")
    assert choose([dear, cheap], 100) is cheap
    many, few = candidate("many", blocks=20), candidate("few")
    assert choose([many, few], 100) is few


def test_the_pilot_comes_first_in_rotation():
    one, other = (
        candidate("one", math.inf, blocks=2, least=3),
        candidate("other", math.inf, blocks=1, least=3),
    )
    assert choose([candidate(), one, other], 100) is other


def test_the_first_of_equals_is_chosen_and_nothing_from_nothing():
    assert choose([candidate("b"), candidate("a")], 100).name == "b"
    assert choose([], 100) is None


def test_a_hopeless_workload_does_not_eat_everything():
    hopeless, near = candidate("hopeless", 50.0), candidate("near", 1.5)
    assert price(hopeless) > 100 > price(near)
    assert gain(hopeless, 100) * 10 * 0.1 == HOPELESS
    assert choose([hopeless, near], 100) is near
    assert gain(candidate("unknown", math.inf), 100) == gain(candidate("far", 3.0), 1e9) == MOST_RATIO**2


def test_time_and_cpu_count_each_and_what_is_reached_does_not():
    assert gain(candidate("a", 1.5, 1.5), 100) == 2 * gain(candidate("a", 1.5), 100)
    assert gain(candidate("a", 1.5, 0.9), 100) == gain(candidate("a", 1.5), 100)
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
    assert all(0 <= gain(one, left) < math.inf for one in candidates)
