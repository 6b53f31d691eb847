"""Find how finely a series' clock reads: from the errors that its metrics declare, and from the steps of its values.

Values that a coarse clock rounded look more alike than they are. An interval of such values must not be narrower than
the clock's steps, however often it was read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tare.results.statistics.estimates import median

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINEST = 1e-4
"""Smallest step that is looked for, relative to the median: finer ones hide no difference that matters."""
_ROUNDING = 1e-5
"""Relative error allowed for values that were printed with some digits and read again."""


def step(value: NDArray[np.float64]) -> float:
    """Return the largest number of which all values are multiples, relative to their median; 0 if it is too fine.

    Where all values are equal, any divisor would do: it is the largest power of ten of at most a tenth of the value.

    Args:
        value: Positive readings of one clock, or differences of such readings.
    """
    distinct = np.unique(value)
    if not len(distinct) or distinct[0] <= 0:
        return 0.0
    middle = median(value)
    if len(distinct) == 1:
        return _decimal_step(middle)
    common = float(distinct[0])
    for other in distinct[1:]:
        common = _common_divisor(float(other), common)
        if common < FINEST * middle:
            return 0.0
    return common / middle


def _common_divisor(a: float, b: float) -> float:
    """Return the greatest common divisor of two positive numbers, by Euclid with room for rounding errors."""
    tolerance = _ROUNDING * max(a, b)
    while b > tolerance:
        a, b = b, abs(a - round(a / b) * b)
    return a


def _decimal_step(value: float) -> float:
    """Return the largest power of ten that divides a value, of at most a tenth of it, relative to the value."""
    power = 10.0 ** (np.floor(np.log10(value)) - 1)
    while power >= FINEST * value:
        if abs(value / power - round(value / power)) < _ROUNDING * value / power:
            return float(power / value)
        power /= 10
    return 0.0
