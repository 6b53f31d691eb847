"""Replay the trials of the ``crowd`` family, which are measured only where ``-k`` names them.

See :mod:`tare.bench.pytest_plugin.hooks`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tare.bench.experiments.starts import STARTS


@pytest.mark.parametrize(
    "starts", [pytest.param(each, id=each.name, marks=pytest.mark.workload(each.name)) for each in STARTS]
)
def bench_starts(starts: Any, replay: Any) -> None:
    del starts
    replay()


@pytest.mark.workload("density")
def bench_density(replay: Any) -> None:
    replay()
