"""Upgrade files of version 2 of the record to version 3.

Version 2 planned all blocks before measuring: so many cold starts, so much steady state, so many rounds. Version 3 plans
streams, and what they get is decided by a scheduler unless a number of blocks was asked for. A plan of version 2 becomes
one of a fixed number of blocks; the trials tell how many there were of each kind.
"""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]

_DROPPED = (
    "rounds",
    "cold_blocks",
    "steady_blocks",
    "full_blocks",
    "full_cold_blocks",
    "experiment_blocks",
    "trials",
    "reopened",
)
_DEFAULT_PRECISION = 0.01


def upgrade_trial(raw: Raw) -> Raw:
    """Return the trial as it is: version 3 added fields only."""
    return raw


def upgrade_manifest(raw: Raw) -> Raw:
    """Turn the plan of version 2 into one of a fixed number of blocks; leave alone what is no complete plan."""
    plan = raw.get("plan")
    if not isinstance(plan, dict) or any(name not in plan for name in ("cold_blocks", "steady_blocks")):
        return raw
    counts = plan["cold_blocks"], plan["steady_blocks"]
    if not all(isinstance(count, int) for count in counts):
        return raw  # the reader will say that the plan is damaged
    kept = {name: value for name, value in plan.items() if name not in _DROPPED}
    new = {
        "blocks": max(1, *counts),
        "precision": _asked(plan) or _DEFAULT_PRECISION,
        "cheap": plan.get("reopened", []),
    }
    return raw | {"plan": kept | new}


def _asked(plan: Raw) -> object:
    request = plan.get("request")
    settings = request.get("settings") if isinstance(request, dict) else None
    return settings.get("run.precision") if isinstance(settings, dict) else None
