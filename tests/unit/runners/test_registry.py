import pytest

from tare.runners.errors import UsageError
from tare.runners.registry import check


def test_the_base_comes_first_and_nothing_twice():
    assert check(["namespaces", "bare", "namespaces"]) == ("bare", "namespaces")


def test_a_rung_of_the_ladder_is_a_runner():
    assert check(["namespaces:+pid"]) == ("bare", "namespaces:+pid")


@pytest.mark.parametrize("name", ["bear", ""])
def test_an_unknown_runner_is_a_usage_error_that_lists_the_known(name):
    with pytest.raises(UsageError, match="namespaces"):
        check([name])


@pytest.mark.parametrize(
    ("name", "why"),
    [("bare:+pid", "bare has no variants"), ("namespaces:+pud", r"known are full, .*\+pid")],
)
def test_an_unknown_variant_is_a_usage_error_that_says_which_there_are(name, why):
    with pytest.raises(UsageError, match=why):
        check([name])
