"""Define the suite's own pytest plugin, loaded by ``-p`` in ``bench/suite/pytest.ini``: options without a prefix.

Other test suites load :mod:`tare.pytest_plugin`, whose options cannot meet anybody else's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.pytest_plugin import hooks, options

if TYPE_CHECKING:
    import pytest

_PREFIX = "--"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of ``tare run`` under the same names."""
    options.add_options(parser, _PREFIX)


def pytest_configure(config: pytest.Config) -> None:
    """Bring in the hooks and fixtures."""
    config.stash[options.PREFIX] = _PREFIX
    config.pluginmanager.register(hooks, "tare-hooks")
