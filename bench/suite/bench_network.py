"""Replay the trials of the ``network`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.workload("net-latency")
def bench_net_latency(replay: Any) -> None:
    replay()


@pytest.mark.workload("net-stream")
def bench_net_stream(replay: Any) -> None:
    replay()


@pytest.mark.workload("net-latency-loopback")
def bench_net_latency_loopback(replay: Any) -> None:
    replay()


@pytest.mark.workload("net-stream-loopback")
def bench_net_stream_loopback(replay: Any) -> None:
    replay()


@pytest.mark.workload("net-latency-places")
def bench_net_latency_places(replay: Any) -> None:
    replay()


@pytest.mark.workload("net-stream-places")
def bench_net_stream_places(replay: Any) -> None:
    replay()
