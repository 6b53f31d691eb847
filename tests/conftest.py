"""Profiles of hypothesis: ``quick`` while one works, ``ci`` where ``CI`` is set, ``thorough`` by ``--hypothesis-profile=thorough``.

Only ``thorough`` draws new examples in each run: a change is not refused for a fault that it did not make.
"""

import os

from hypothesis import HealthCheck, settings

# On a loaded host a single example may take any time: how long says nothing about what is tested.
settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("thorough"), derandomize=True)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=10)
settings.load_profile("ci" if os.environ.get("CI") else "quick")

pytest_plugins = ["pytester"]
