"""Replay the trials of the ``deploy`` family, which are measured only where ``-k`` names them.

See :mod:`tare.bench.pytest_plugin.hooks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tare.bench.experiments.deploy import DEPLOYS

if TYPE_CHECKING:
    from tare.bench.pytest_plugin.replay import Samples


@pytest.mark.parametrize(
    "deploy", [pytest.param(each, id=each.name, marks=pytest.mark.workload(each.name)) for each in DEPLOYS]
)
def bench_deploy(deploy: Any, trials: Samples) -> None:
    """Several times and sizes in each trial: the report's section has them; what went wrong has failed by now."""
    del deploy
    assert trials.trials
