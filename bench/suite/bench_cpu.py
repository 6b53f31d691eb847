"""Replay the trials of the ``cpu`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest

from tare.bench.suite.others import others


@pytest.mark.workload("cpu")
def bench_cpu(replay: Any) -> None:
    replay()


@pytest.mark.workload("cpu-all")
def bench_cpu_all(replay: Any) -> None:
    replay()


@pytest.mark.parametrize("other", others("cpu", "cpu", "cpu-all"))
def bench_cpu_other(other: str, replay: Any) -> None:
    del other
    replay()


@pytest.mark.parametrize("other", others("7z"))
def bench_7z(other: str, replay: Any) -> None:
    del other
    replay()
