"""Profiles of hypothesis: ``quick`` while one works, ``thorough`` in CI or by ``--hypothesis-profile=thorough``."""

import os

from hypothesis import HealthCheck, settings

# On a loaded host a single example may take any time: how long says nothing about what is tested.
settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=10)
settings.load_profile("thorough" if os.environ.get("CI") else "quick")

pytest_plugins = ["pytester"]
