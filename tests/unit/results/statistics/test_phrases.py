"""Numbers in sentences."""

import math

import pytest

from tare.results.statistics import phrases as words


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.99, 1.05, "−1.0 % to +5.0 %"),
        (0.9, 1.0, "−10 % to 0 %"),
        (0.384, 0.979, "0.384× to 0.979×"),
        (1.2, 2.04, "1.20× to 2.04×"),
        (3455, 4921.6, "3,455× to 4,922×"),
    ],
)
def test_both_ends_of_a_span_are_told_alike(low, high, text):
    assert words.span(math.log(low), math.log(high)) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.041, "4.1 % more"), (0.959, "4.1 % less"), (3.2, "3.20× as much"), (4124, "4,124× as much")],
)
def test_large_ratios_are_factors(ratio, text):
    assert words.more_or_less(math.log(ratio)) == text


def test_a_value_is_told_in_the_way_of_its_interval():
    near_two = [math.log(ratio) for ratio in (1.993, 1.98, 2.01)]
    assert words.more_or_less(*near_two) == "1.99× as much"
    assert words.change(*near_two) == "1.99× (1.98× to 2.01×)"
    assert words.change(math.log(1.07), math.log(1.05), math.log(1.09)) == "+7.0 % (+5.0 % to +9.0 %)"
    assert words.change(math.log(1.07), None, None) == "+7.0 %"


@pytest.mark.parametrize(
    ("share", "text"), [(0.02, "2 %"), (0.082, "8.2 %"), (0.123, "12 %"), (0.0004, "0.04 %"), (0.0, "0 %")]
)
def test_sizes_have_no_needless_digits(share, text):
    assert words.magnitude(math.log1p(share)) == text


def test_the_size_of_a_large_difference_is_a_factor():
    assert words.magnitude(math.log(1.99)) == "99 %"
    assert words.magnitude(math.log(198.9)) == "199×"


def test_plural_forms():
    assert [words.count(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert words.count(2, "series", "series") == "2 series"
    assert [words.there_are(n, "block") for n in (0, 1, 2)] == [
        "there is no block",
        "there is only 1 block",
        "there are only 2 blocks",
    ]


def test_notes_follow_as_a_sentence():
    assert words.sentences("It is so.", ()) == "It is so."
    assert words.sentences("It is so.", ("this", "that.")) == "It is so. Note: this; that."
