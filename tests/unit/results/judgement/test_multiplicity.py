"""Adjusted p-values: equal to those of the textbooks, and calls withdrawn by them."""

import pytest

from tare.results.judgement.multiplicity import benjamini_hochberg, holm


def test_adjustments_equal_the_textbooks():
    p = [0.01, 0.04, 0.03, 0.005]
    # R: p.adjust(p, "holm") and p.adjust(p, "BH").
    assert holm(p).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p).tolist() == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_nothing_is_adjusted_to_nothing():
    assert holm([]).tolist() == benjamini_hochberg([]).tolist() == []
