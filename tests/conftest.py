"""Settings of hypothesis for all tests."""

from hypothesis import HealthCheck, settings

# On a loaded host a single example may take any time: how long says nothing about what is tested.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
