"""Profiles of hypothesis: ``quick`` while one works, ``ci`` where ``CI`` is set, ``thorough`` by ``--hypothesis-profile=thorough``.

Only ``thorough`` draws new examples in each run: a change is not refused for a fault that it did not make.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# On a loaded host a single example may take any time: how long says nothing about what is tested.
settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("thorough"), derandomize=True)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=10)
settings.load_profile("ci" if os.environ.get("CI") else "quick")

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session", autouse=True)
def _no_colors_by_force() -> Iterator[None]:
    """Keep colours out of texts that are compared: since Python 3.14, argparse colours its help where these ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FORCE_COLOR", "PYTHON_COLORS"):
            patch.delenv(name, raising=False)
        yield
