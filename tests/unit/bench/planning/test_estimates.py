"""Costs that were seen here before stand for the rules of thumb."""

import pytest

from support.campaigns import Steady
from tare.bench.planning.estimates import Estimates, job_length, merge_numbers, read_numbers
from tare.bench.planning.modes import JOB_SECONDS
from tare.results.record import Accelerator

ACCELERATORS: dict[str, Accelerator] = {"bare": "none", "box": "none", "guest": "tcg", "runc": "none"}


@pytest.mark.parametrize(
    ("seen", "cheap"),
    [
        ({}, {"bare", "bare-again", "box"}),
        ({"open@box": 0.3}, {"bare", "bare-again"}),
        ({"open@box": 0.3, "open@bare": 0.05}, {"bare", "bare-again", "box"}),
        ({"open@bare": 0.5}, {"bare", "bare-again", "box"}),
    ],
)
def test_places_are_cheap_by_what_they_took_and_by_what_the_base_took(seen, cheap):
    assert Estimates(ACCELERATORS, seen).cheap(["bare", "bare-again", "box", "guest"]) == cheap


def test_variants_of_a_runner_are_cheap_or_costly_together():
    seen = {"open@runc@base": 0.09, "open@runc@head": 0.11}
    accelerators: dict[str, Accelerator] = {"runc@base": "none", "runc@head": "none"}
    assert Estimates(accelerators, seen).cheap(["runc@base", "runc@base-again", "runc@head"]) == frozenset()


def test_numbers_are_merged_into_what_is_known(tmp_path):
    path = tmp_path / "numbers.json"
    merge_numbers(path, {"a": 1.0, "b": 2.0})
    merge_numbers(path, {"b": 3.0})
    assert read_numbers(path) == {"a": 1.0, "b": 3.0}


def test_jobs_are_as_long_as_their_workload_needs_and_shorter_where_all_are():
    class Long(Steady):
        shortest_seconds = 0.2

    assert job_length(Long(), JOB_SECONDS) == 0.2
    assert job_length(Long(), 1.0) == 1.0
    assert job_length(Long(), JOB_SECONDS / 2) == 0.1
    assert job_length(Steady(), JOB_SECONDS / 2) == JOB_SECONDS / 2
