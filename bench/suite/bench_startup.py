"""Replay the trials of the ``startup`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.workload("null")
def bench_null(replay: Any) -> None:
    replay()
