"""Bound the difference that lasting states of a machine make between two sides that are the same.

Without numpy: it is also used while something is measured.
"""

from __future__ import annotations

import math

from tare.results.statistics.exponents import expm1

_STATES = 0.25
"""Largest relative difference between two lasting states of a machine that is allowed for."""
_FADING = 1600.0
"""States that last for the whole comparison fade with the cube of the number of blocks: 20 % with 20, 2 % with 43."""


def lasting_state(rounds: int) -> float:
    """Return the largest difference, as a log ratio, that a lasting state may make unseen in so many blocks.

    One side that is in a fast state of the machine for the whole comparison, and the other in a slow one, look like a
    real difference. The fewer blocks there are, the more probable that is. So only differences above 50 % are called with
    5 blocks, above 25 % with 10 to 18, above 6 % with 30, and from 44 on the default threshold is larger.
    """
    if not rounds:
        return math.inf
    return math.log1p(min(max(_STATES, 10 * _STATES / rounds), _FADING / rounds**3))


def rounds_for(difference: float) -> int:
    """Return the number of blocks with which a difference, as a log ratio, is larger than a lasting state may be."""
    relative = expm1(difference)
    return math.ceil(10 * _STATES / relative if relative >= _STATES else math.cbrt(_FADING / relative))
