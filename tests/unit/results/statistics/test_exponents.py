"""Ratios are formed of any logarithm, and nobody forms them in another way."""

import ast
import math
import sys

import pytest

from support.imports import modules, tree
from tare.results.statistics.exponents import exp, expm1

ELSEWHERE = {
    "results.statistics.distributions": "of logarithms of probabilities",
}
"""Module → why ``math.exp`` cannot be out of range there."""


@pytest.mark.parametrize("log", [-1e9, -1.0, 0.0, 1e-12, 1.0, 700.0])
def test_they_are_those_of_mathematics(log):
    assert (exp(log), expm1(log)) == (math.exp(log), math.expm1(log))


@pytest.mark.parametrize("log", [710.0, 1e9, math.inf])
def test_beyond_all_numbers_is_the_largest(log):
    assert exp(log) == expm1(log) == sys.float_info.max


def test_logarithms_are_turned_back_by_them_alone():
    found = {
        name
        for name, path in modules().items()
        if "math.exp" in path.read_text("utf-8") and not name.startswith("bench.tools")
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"math.exp", "math.expm1"}
    }
    assert found - {"results.statistics.exponents"} == set(ELSEWHERE)
