"""Whether numbers by hand and by the suite agree."""

import math

import pytest

from tare.bench.tools.agreement.judgement import agreement

NOISE = (0.97, 1.02, 1.0, 0.99, 1.03, 0.98, 1.01, 1.0, 0.99)


@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (0.8, False), (1.2, False), (1.08, False)])
def test_a_real_difference_is_found_in_noise(factor, agrees):
    by_hand = [1000 * one for one in NOISE]
    by_suite = [1000 * factor * one for one in reversed(NOISE)]
    one = agreement(by_hand, by_suite)
    assert one.agrees is agrees
    assert one.low <= factor <= one.high


def test_a_certain_but_small_difference_does_not_matter():
    assert agreement([1000.0 + one for one in range(9)], [1030.0 + one for one in range(9)]).agrees


def test_too_few_rounds_do_not_agree():
    one = agreement([1.0], [1.0])
    assert (one.low, math.isinf(one.high), one.agrees) == (0, True, False)
