"""Hold our distributions against SciPy's."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from tare.results.statistics.distributions import (
    binomial_cdf,
    normal_cdf,
    normal_quantile,
    t_cdf,
    t_quantile,
)

FREEDOMS = st.one_of(st.integers(1, 5000), st.floats(0.5, 5000))
PROBABILITIES = st.floats(1e-12, 1 - 1e-12)


@given(st.lists(st.floats(-37, 37), min_size=1, max_size=9))
def test_the_normal_distribution_is_scipys(z):
    np.testing.assert_allclose(normal_cdf(z), special.ndtr(z), rtol=1e-9)


def test_the_normal_distribution_has_ends_and_keeps_shapes():
    np.testing.assert_array_equal(
        normal_cdf([[-math.inf, math.inf], [0, math.nan]]), [[0, 1], [0.5, math.nan]]
    )


@given(PROBABILITIES)
def test_normal_quantiles_are_scipys(p):
    assert normal_quantile(p) == pytest.approx(special.ndtri(p), rel=1e-12, abs=1e-14)


@given(FREEDOMS, st.floats(-1e6, 1e6))
def test_students_distribution_is_scipys(freedom, t):
    assert t_cdf(freedom, t) == pytest.approx(special.stdtr(freedom, t), rel=1e-8, abs=1e-250)


@given(FREEDOMS, PROBABILITIES)
def test_students_quantiles_are_scipys(freedom, p):
    assert t_quantile(freedom, p) == pytest.approx(special.stdtrit(freedom, p), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.70620), (4, 2.776445), (10, 2.228139), (120, 1.979930)]
)
def test_students_quantiles_are_those_of_printed_tables(freedom, quantile):
    assert t_quantile(freedom, 0.975) == pytest.approx(quantile, rel=1e-6)
    assert t_quantile(freedom, 0.025) == pytest.approx(-quantile, rel=1e-6)


@given(st.integers(1, 500), st.floats(0, 1))
def test_binomial_probabilities_are_scipys(n, p):
    np.testing.assert_allclose(
        binomial_cdf(n, p), special.bdtr(np.arange(n + 1), n, p), rtol=1e-9, atol=1e-13
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (normal_quantile(0), -math.inf),
        (normal_quantile(1), math.inf),
        (normal_quantile(2), math.nan),
        (t_quantile(3, 0), -math.inf),
        (t_quantile(3, 1), math.inf),
        (t_quantile(3, 0.5), 0),
        (t_quantile(0, 0.9), math.nan),
        (t_quantile(3, -1), math.nan),
        (t_cdf(3, -math.inf), 0),
        (t_cdf(3, math.inf), 1),
        (t_cdf(3, 0), 0.5),
        (t_cdf(0, 1), math.nan),
        (t_cdf(3, math.nan), math.nan),
    ],
)
def test_edges(found, expected):
    assert found == pytest.approx(expected, nan_ok=True)


@pytest.mark.slow
def test_no_answer_imports_scipy():
    program = "import sys, tare.bench.analysis.report, tare.bench.analysis.comparison; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
