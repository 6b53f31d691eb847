"""Turn logarithms of ratios back into ratios, however wild they are.

``math.exp`` raises from a logarithm of 710 on, which the ends of an interval reach when three values are far apart.
"""

from __future__ import annotations

import math
import sys

_LARGEST = math.log(sys.float_info.max)


def exp(log: float) -> float:
    """Return e to a power; the largest number there is, which JSON can hold, where that is beyond it."""
    return math.exp(log) if log <= _LARGEST else sys.float_info.max


def expm1(log: float) -> float:
    """Return e to a power less 1, exact near 0; the largest number there is where that is beyond it."""
    return math.expm1(log) if log <= _LARGEST else sys.float_info.max
