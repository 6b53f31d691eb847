"""Replay the trials of the ``memory`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest

from tare.bench.suite.others import others


@pytest.mark.workload("memory-write")
def bench_memory_write(replay: Any) -> None:
    replay()


@pytest.mark.workload("memory-read")
def bench_memory_read(replay: Any) -> None:
    replay()


@pytest.mark.parametrize("other", others("memory", "memory-write", "memory-read"))
def bench_memory_other(other: str, replay: Any) -> None:
    del other
    replay()
