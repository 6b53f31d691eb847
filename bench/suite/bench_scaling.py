"""Replay the trials of the ``scaling`` family, which are measured only where ``-k`` names them.

See :mod:`tare.bench.pytest_plugin.hooks`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tare.bench.experiments.scaling import SCALES


@pytest.mark.parametrize(
    "scale", [pytest.param(each, id=each.name, marks=pytest.mark.workload(each.name)) for each in SCALES]
)
def bench_scale(scale: Any, replay: Any) -> None:
    del scale
    replay()
