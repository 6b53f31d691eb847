"""Replay the trials of the ``disk`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest

from tare.bench.suite.others import others


@pytest.mark.workload("disk-seq")
def bench_disk_seq(replay: Any) -> None:
    replay()


@pytest.mark.workload("disk-rand")
def bench_disk_rand(replay: Any) -> None:
    replay()


@pytest.mark.workload("disk-fsync")
def bench_disk_fsync(replay: Any) -> None:
    replay()


@pytest.mark.parametrize("other", others("disk", "disk-seq", "disk-rand", "disk-fsync"))
def bench_disk_other(other: str, replay: Any) -> None:
    del other
    replay()
