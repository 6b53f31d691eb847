"""Replays the trials of the ``deploy`` family: see :mod:`bench.pytest_front`. Only measured if ``-k`` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bench.experiments.deploy import DEPLOYS

if TYPE_CHECKING:
    from bench.replay import Series


@pytest.mark.parametrize(
    "deploy", [pytest.param(each, id=each.name, marks=pytest.mark.workload(each.name)) for each in DEPLOYS]
)
def bench_deploy(deploy: Any, trials: Series) -> None:
    """Several times and sizes in each trial: the report's section has them; what went wrong has failed by now."""
    del deploy
    assert trials.trials
