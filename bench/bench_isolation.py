"""Replays the trials of the ``isolation`` family: see :mod:`bench.pytest_front`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bench.replay import Series


@pytest.mark.workload("isolation")
def bench_isolation(trials: Series) -> None:
    """Facts without a time: there is nothing to replay, and what went wrong has failed the test by now."""
    assert trials.trials
