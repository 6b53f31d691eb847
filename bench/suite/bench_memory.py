"""Replay the trials of the ``memory`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.workload("memory-write")
def bench_memory_write(replay: Any) -> None:
    replay()


@pytest.mark.workload("memory-read")
def bench_memory_read(replay: Any) -> None:
    replay()
