"""Numbers in sentences."""

import math

import pytest

from tare.results.statistics import phrases as words


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.99, 1.05, "-1.0 % to +5.0 %"),
        (0.384, 0.979, "0.384 × to 0.979 ×"),
        (1.2, 2.04, "1.2 × to 2.04 ×"),
        (3455, 4921.6, "3,455 × to 4,922 ×"),
    ],
)
def test_both_ends_of_a_span_are_told_alike(low, high, text):
    assert words.span(math.log(low), math.log(high)) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.041, "4.1 % more"), (0.959, "4.1 % less"), (3.2, "3.2 times as much"), (4124, "4,124 times as much")],
)
def test_large_ratios_are_factors(ratio, text):
    assert words.more_or_less(math.log(ratio)) == text
