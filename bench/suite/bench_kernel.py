"""Replay the trials of the ``kernel`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest

from tare.bench.suite.others import others


@pytest.mark.workload("syscall")
def bench_syscall(replay: Any) -> None:
    replay()


@pytest.mark.workload("switch")
def bench_switch(replay: Any) -> None:
    replay()


@pytest.mark.workload("fork")
def bench_fork(replay: Any) -> None:
    replay()


@pytest.mark.parametrize("other", others("kernel", "syscall", "switch", "fork"))
def bench_kernel_other(other: str, replay: Any) -> None:
    del other
    replay()
