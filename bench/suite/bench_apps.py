"""Replay the trials of the ``apps`` family: see :mod:`tare.bench.pytest_plugin.hooks`."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.workload("app-redis")
def bench_app_redis(replay: Any) -> None:
    replay()


@pytest.mark.workload("app-memcached")
def bench_app_memcached(replay: Any) -> None:
    replay()


@pytest.mark.workload("app-nginx")
def bench_app_nginx(replay: Any) -> None:
    replay()


@pytest.mark.workload("app-python")
def bench_app_python(replay: Any) -> None:
    replay()


@pytest.mark.workload("app-postgres")
def bench_app_postgres(replay: Any) -> None:
    replay()


@pytest.mark.workload("app-sqlite")
def bench_app_sqlite(replay: Any) -> None:
    replay()
