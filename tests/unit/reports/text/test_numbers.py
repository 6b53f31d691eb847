from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.reports.text import numbers
from tare.results.statistics.estimates import Estimate

SIZES = st.floats(min_value=1e-9, max_value=1e12, allow_nan=False)
UNITS = st.sampled_from(sorted(numbers.LADDERS))


def parsed(text: str, unit: str) -> tuple[float, float]:
    """Value in base units, and the value of one step of its last digit."""
    sign = -1 if text.startswith(numbers.MINUS) else 1
    number, _space, symbol = text.lstrip(numbers.MINUS).partition(" ")
    factor = next(step.factor for step in numbers.LADDERS[unit] if step.symbol == symbol)
    whole, _point, decimals = number.partition(".")
    zeros = len(whole) - len(whole.replace(",", "").rstrip("0")) - whole.count(",") if unit == "ratio" else 0
    step = 10.0 ** -len(decimals) if decimals else 10.0**zeros
    return sign * float(number.replace(",", "")) * factor, step * factor


@given(SIZES, UNITS, st.one_of(st.none(), st.floats(min_value=1e-6, max_value=10)))
def test_text_is_the_value_rounded(value: float, unit: str, relative: float | None) -> None:
    width = None if relative is None else value * relative
    back, step = parsed(numbers.quantity(value, unit, width=width), unit)
    assert abs(back - value) <= 0.5 * step * (1 + 1e-9) + 1e-12 * value


@given(SIZES, UNITS)
def test_three_digits_without_an_interval(value: float, unit: str) -> None:
    back, _step = parsed(numbers.quantity(value, unit), unit)
    smallest = numbers.LADDERS[unit][0].factor
    assert value < smallest * 10 or math.isclose(back, value, rel_tol=0.0051)


@given(SIZES, st.floats(min_value=1e-3, max_value=0.5))
def test_the_last_digit_is_no_coarser_than_the_half_width(value: float, relative: float) -> None:
    width = value * relative
    back, _step = parsed(numbers.quantity(value, "ratio", width=width), "ratio")
    digits = math.floor(math.log10(value)) - math.floor(math.log10(width / 2))
    if digits < numbers.MOST_DIGITS - 1:
        assert abs(back - value) <= width / 4 * (1 + 1e-9)


@given(st.floats(min_value=1e12, max_value=1e308), UNITS)
def test_no_number_fills_a_line(value: float, unit: str) -> None:
    """As damaged files have them."""
    assert len(numbers.quantity(value, unit)) < 32
    assert len(numbers.span(value / 2, value, unit)) < 64
    assert (
        len(
            numbers.changed(Estimate(value=value, low=value / 2, high=value, confidence=0.95, n=9, method=""))
        )
        < 100
    )


@given(SIZES, UNITS)
def test_the_sign_is_kept(value: float, unit: str) -> None:
    assert numbers.quantity(-value, unit).lstrip(numbers.MINUS) == numbers.quantity(value, unit)


@given(st.floats(min_value=1e-9, max_value=1e6), st.floats(min_value=1.0, max_value=1.5), UNITS)
def test_larger_values_never_read_smaller(value: float, factor: float, unit: str) -> None:
    low, _ = parsed(numbers.quantity(value, unit), unit)
    high, _ = parsed(numbers.quantity(value * factor, unit), unit)
    assert low <= high * (1 + 1e-12)


@given(SIZES, UNITS)
def test_a_rounded_value_takes_the_next_prefix(value: float, unit: str) -> None:
    text = numbers.quantity(value, unit)
    ladder = numbers.LADDERS[unit]
    number, _space, symbol = text.partition(" ")
    at = next(i for i, step in enumerate(ladder) if step.symbol == symbol)
    if at + 1 < len(ladder):
        assert float(number.replace(",", "")) < ladder[at + 1].factor / ladder[at].factor or unit == "count"


@pytest.mark.parametrize(
    ("value", "unit", "width", "text"),
    [
        (0.001234, "s", None, "1.23 ms"),
        (0.0009996, "s", None, "1.00 ms"),
        (0.0012345, "s", 0.00002, "1.234 ms"),
        (92.4e-9, "s", None, "92.4 ns"),
        (75.0, "s", None, "75.0 s"),
        (1024 * 1024, "bytes", None, "1.00 MiB"),
        (84_092, "ops/s", None, "84.1 kops/s"),
        (123_456, "count", None, "123,456"),
        (0, "s", None, "0 s"),
        (math.nan, "s", None, "NaN"),
        (-math.inf, "s", None, "\N{MINUS SIGN}∞"),
        (12.3, "furlongs", None, "12.3 furlongs"),
    ],
)
def test_known_texts(value: float, unit: str, width: float | None, text: str) -> None:
    assert numbers.quantity(value, unit, width=width) == text


def test_a_cost_with_and_without_interval() -> None:
    plain = Estimate(value=1.117, low=None, high=None, confidence=0.95, n=2, method="m")
    known = Estimate(value=1.117, low=1.10, high=1.14, confidence=0.95, n=9, method="m")
    assert numbers.cost(plain) == "1.12×"
    assert numbers.cost(known) == "1.117× (1.100–1.140)"
    assert numbers.estimate(known, "s") == "1.117 s (1.100–1.140)"
    assert numbers.changed(plain) == "+12 %"
    assert numbers.changed(known) == "+12 % (+10 % to +14 %)"


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (6142.3, 1332.2, 28316.4, "6,100× (1,300–28,300)"),
        (6142.3, 6098.7, 6187.1, "6,140× (6,100–6,190)"),
        (6142.3, 5.2, 28316.4, "6,100× (5.2–28,000)"),
        (110.0, 4.1, 390.0, "110× (4.1–390)"),
        (56.1, 41.2, 76.8, "56× (41–77)"),
    ],
)
def test_a_large_ratio_has_no_digit_that_its_interval_does_not_support(
    value: float, low: float, high: float, text: str
) -> None:
    assert numbers.cost(Estimate(value=value, low=low, high=high, confidence=0.95, n=9, method="m")) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(1.0, "0 %"), (1.123, "+12 %"), (0.969, "\N{MINUS SIGN}3.1 %"), (3.1, "3.10×")]
)
def test_changes(ratio: float, text: str) -> None:
    assert numbers.change(ratio) == text


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.floats(0.01, 1))
def test_nearest_rank_is_a_measured_value(values: list[float], share: float) -> None:
    found = numbers.nearest_rank(values, share)
    assert found in values
    assert sum(v <= found for v in values) >= share * len(values) - 1e-9


def test_an_interval_is_in_the_step_of_its_value() -> None:
    text = numbers.span(0.00098, 0.0012, "s", like=0.0011)
    assert re.fullmatch(r"0\.98–1\.20", text)


def test_no_ratio_is_a_dash() -> None:
    none = Estimate(value=math.nan, low=None, high=None, confidence=0.95, n=0, method="no ratio")
    assert numbers.cost(none) == numbers.changed(none) == numbers.DASH


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.001464, "1.5 ms"), (0.000235, "235 µs"), (2.09, "2.1 s"), (0.0, "0 s")],
)
def test_a_sentence_has_two_digits(seconds: float, text: str) -> None:
    assert numbers.rounded(seconds, "s") == text


def test_forecasts_are_no_more_precise_than_they_can_be() -> None:
    assert [numbers.about(n) for n in (1, 24, 99, 255, 991, 2787)] == [
        "1",
        "24",
        "99",
        "260",
        "1,000",
        "2,800",
    ]
