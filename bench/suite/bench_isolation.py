"""Replay the trials of the ``isolation`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tare.bench.pytest_plugin.replay import Samples


@pytest.mark.workload("isolation")
def bench_isolation(trials: Samples) -> None:
    """Facts without a time: there is nothing to replay, and what went wrong has failed the test by now."""
    assert trials.trials
