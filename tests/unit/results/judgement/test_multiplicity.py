"""Adjusted p-values: equal to those of the textbooks, and calls withdrawn by them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from tare.results.judgement.multiplicity import benjamini_hochberg, holm


def test_adjustments_equal_the_textbooks():
    p = [0.01, 0.04, 0.03, 0.005]
    # R: p.adjust(p, "holm") and p.adjust(p, "BH").
    assert holm(p).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p).tolist() == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_nothing_is_adjusted_to_nothing():
    assert holm([]).tolist() == benjamini_hochberg([]).tolist() == []


@given(st.lists(st.sampled_from([0.0, 1e-9, 0.001, 0.02, 0.02, 0.3, 1.0]) | st.floats(0, 1), max_size=40))
def test_the_false_discovery_rate_is_controlled_as_scipy_does(p):
    assert benjamini_hochberg(p).tolist() == pytest.approx(false_discovery_control(np.array(p)).tolist())
