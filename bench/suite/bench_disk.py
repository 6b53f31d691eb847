"""Replay the trials of the ``disk`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.workload("disk-seq")
def bench_disk_seq(replay: Any) -> None:
    replay()


@pytest.mark.workload("disk-rand")
def bench_disk_rand(replay: Any) -> None:
    replay()


@pytest.mark.workload("disk-fsync")
def bench_disk_fsync(replay: Any) -> None:
    replay()
