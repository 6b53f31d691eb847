"""Replay the trials of the families of neighbours: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest

from tare.bench.experiments.neighbours import NEIGHBOURS


@pytest.mark.workload("neighbours-cpu")
def bench_neighbours_cpu(replay: Any) -> None:
    replay()


@pytest.mark.workload("neighbours-bandwidth")
def bench_neighbours_bandwidth(replay: Any) -> None:
    replay()


@pytest.mark.workload("neighbours-memory")
def bench_neighbours_memory(replay: Any) -> None:
    replay()


@pytest.mark.workload("neighbours-forks")
def bench_neighbours_forks(replay: Any) -> None:
    replay()


@pytest.mark.workload("neighbours-disk")
def bench_neighbours_disk(replay: Any) -> None:
    replay()


@pytest.mark.workload("neighbours-network")
def bench_neighbours_network(replay: Any) -> None:
    replay()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(one.name, id=one.name, marks=pytest.mark.workload(one.name))
        for one in NEIGHBOURS
        if one.neighbour
    ],
)
def bench_neighbour_pairs(replay: Any, name: str) -> None:
    del name
    replay()
