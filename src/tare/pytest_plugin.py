"""Measure and replay workloads in a test suite of your own: ``pytest -p tare.pytest_plugin``.

A test says by the fixture ``tare`` what it measures: a command or a plain function, with parameters. Or it names a workload
by a marker and takes the fixture ``replay``, or ``trials`` where there is nothing to replay::

    def test_sort(tare):
        tare(["sort", "lines-{n}.txt"], n=[1, 2])

    @pytest.mark.workload("null")
    def test_start_up(replay):
        replay()

It becomes one test per runner, all of them are measured together in interleaved blocks, and each replays its own
samples through pytest-benchmark. All options begin with ``--tare-``: ``--tare-quick``, ``--tare-runners bare,runc``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.pytest_plugin import hooks, options

if TYPE_CHECKING:
    import pytest

_PREFIX = "--tare-"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of ``tare run``, each behind ``--tare-``."""
    options.add_options(parser, _PREFIX)


def pytest_configure(config: pytest.Config) -> None:
    """Bring in the hooks and fixtures."""
    config.stash[options.PREFIX] = _PREFIX
    config.pluginmanager.register(hooks, "tare-hooks")
