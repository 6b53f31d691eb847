"""Two sides are paired by block, whatever each of them has in a block."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.results.statistics.dependence import SPANS, settle
from tare.results.statistics.ratios import paired_log_ratio, unpaired_log_ratio
from tare.results.statistics.series import Series, SeriesKey

BLOCKS = st.lists(st.integers(0, 12), max_size=30).map(sorted)


def side(name, blocks, seed):
    value = np.random.default_rng(seed).uniform(1, 2, len(blocks))
    block = np.array(blocks, dtype=np.int32)
    return Series(
        SeriesKey("w", "{}", "wall", name, control=False), "f", "s", "lower", "", primary=True,
        accelerator="none", value=value, block=block, invocation=block, context=(),
    )  # fmt: skip


@given(BLOCKS, BLOCKS)
def test_blocks_are_paired_by_the_medians_of_their_values(here, there):
    box, bare = side("box", here, 1), side("bare", there, 2)
    both = sorted(set(here) & set(there))
    found = paired_log_ratio(box, bare, 0.95)
    if not both:
        assert found is None
        return
    assert found.rounds == len(both)
    assert found.unpaired_blocks == len(set(here) ^ set(there))
    if found.interval.n == 1:  # nothing is widened: the value is the block's own
        (one,) = both
        middle = [np.median(x.value[x.block == one]) for x in (box, bare)]
        assert math.isclose(found.interval.value, math.log(middle[0] / middle[1]), abs_tol=1e-12)


def test_each_block_has_its_own_median():
    box = side("box", [0, 0, 0, 1, 1, 2], 3)
    bare = side("bare", [0, 1, 1, 1, 1, 2, 2], 4)
    expected = [
        math.log(np.median(box.value[box.block == b]) / np.median(bare.value[bare.block == b]))
        for b in range(3)
    ]
    found = paired_log_ratio(box, bare, 0.95)
    centre = np.median([(a + b) / 2 for i, a in enumerate(expected) for b in expected[i:]])
    assert math.isclose(found.interval.value, centre, abs_tol=1e-12)


@pytest.mark.parametrize("outlier", [0.0, 5.0])
def test_the_interval_of_dependent_units_holds_twice_their_span_on_each_side(outlier):
    drift = np.linspace(0, 0.1, 30)
    drift[10] += outlier  # it lengthens the span, and hardly moves a rank interval
    bare, box = (
        replace(side(name, range(30), 1), value=np.exp(x))
        for name, x in (("bare", 0 * drift), ("box", drift))
    )
    settled = settle(drift.tolist())
    assert settled.dependent
    for found, centre in (
        (paired_log_ratio(box, bare, 0.95), np.median(drift)),
        (unpaired_log_ratio(bare, box, 0.95), -np.median(drift)),
    ):
        assert found.dependent
        assert not found.coarse
        sides = found.interval.value - found.interval.low, found.interval.high - found.interval.value
        assert min(sides) >= SPANS * np.ptp(drift) * (1 - 1e-9)
        assert abs(found.interval.value - centre) < 0.02
        # P-values agree with it.
        assert all(found.p_beyond(0.0, sign=sign) > 0.025 for sign in (-1, 1))
