"""Replay the trials of the ``python`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.workload("python")
def bench_python(replay: Any) -> None:
    replay()
