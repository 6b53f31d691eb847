"""List the workloads of a family that have no function of their own."""

from __future__ import annotations

from typing import Any

import pytest

from tare.bench.workloads.listing import WORKLOADS


def others(family: str, *own: str) -> list[Any]:
    """Make a parameter, with its mark, for each workload of a family except those that are named."""
    return [
        pytest.param(one.name, id=one.name, marks=pytest.mark.workload(one.name))
        for one in WORKLOADS
        if one.family == family and one.name not in own
    ]
