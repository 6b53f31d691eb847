"""Correct for multiple comparisons: withdraw calls that a large matrix produces by chance.

References:
    Holm 1979, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6(2).
    Benjamini, Hochberg 1995, "Controlling the false discovery rate", J. R. Statist. Soc. B 57(1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from tare.results.judgement.comparison import Comparison


def control_false_calls(
    comparisons: Sequence[Comparison], *, method: Literal["holm", "bh"] = "bh", level: float = 0.025
) -> list[Comparison]:
    """Withdraw calls of ``worse`` and ``better`` that a matrix of this size would produce by chance.

    Args:
        comparisons: The whole matrix; refused ones and those without an interval do not count.
        method: ``holm`` bounds the chance of any false call, ``bh`` (Benjamini-Hochberg) the expected share of
            false calls among all calls.
        level: The bound, one-sided.

    Returns:
        The comparisons in the same order; a withdrawn call has become ``undecided``, and says why.
    """
    counted = [i for i, c in enumerate(comparisons) if not c.refused and c.cost.low is not None]
    result = list(comparisons)
    for verdict in {c.verdict for c in comparisons} & {"worse", "better"}:
        ps = np.array([getattr(comparisons[i], f"fine_p_{verdict}") for i in counted])
        adjusted = holm(ps) if method == "holm" else benjamini_hochberg(ps)
        for i, p in zip(counted, adjusted, strict=True):
            if comparisons[i].verdict == verdict and p > level:
                result[i] = msgspec.structs.replace(
                    comparisons[i],
                    verdict="undecided",
                    because=say(
                        "rule.chance",
                        "Taken alone it would be a difference, but among {count} comparisons such a one is expected by "
                        "chance (adjusted p = {p}).",
                        count=len(counted),
                        p=f"{p:.3f}",
                    ),
                )
    return result


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values so that calling those below alpha keeps the chance of *any* false call below alpha."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values so that calling those below q keeps the expected share of false calls below q."""
    # As scipy.stats.false_discovery_control, which takes half a second to import.
    values = np.asarray(p, dtype=np.float64)
    falling = np.argsort(values)[::-1]
    steps = values[falling] * len(values) / np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[falling] = np.minimum(np.minimum.accumulate(steps), 1.0)
    return adjusted
