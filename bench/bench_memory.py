"""Replays the trials of the ``memory`` family: see :mod:`bench.pytest_front`."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.workload("memory")
def bench_memory(replay: Any) -> None:
    replay()
