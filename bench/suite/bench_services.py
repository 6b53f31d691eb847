"""Replay the trials of the ``services`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.workload("services-one")
def bench_services_one(replay: Any) -> None:
    replay()


@pytest.mark.workload("services-place")
def bench_services_place(replay: Any) -> None:
    replay()


@pytest.mark.workload("services-places")
def bench_services_places(replay: Any) -> None:
    replay()
