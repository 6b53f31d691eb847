"""List everything that can be measured: workloads and experiments, those of other packages included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.experiments import EXPERIMENTS
from tare.bench.experiments.base import Experiment
from tare.bench.workloads import WORKLOADS
from tare.bench.workloads.base import Workload
from tare.runners.entry_points import load_group
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRY_POINTS = "tare.workloads"
"""Group of entry points by which other packages add theirs. Each is a workload, an experiment, or a list of them."""

MEASURABLE: tuple[Workload | Experiment, ...] = (*WORKLOADS, *EXPERIMENTS)
"""The suite's own workloads, then its experiments, in the order of the reports."""


def measurables() -> tuple[Workload | Experiment, ...]:
    """List :data:`MEASURABLE`, then what other packages add.

    Raises:
        UsageError: a package's cannot be loaded, is something else, or has a name that is taken.
    """
    found = list(MEASURABLE)
    names = {name for one in found for name in (one.name, one.family)}
    for origin, one in _from_packages():
        if one.name in names:
            raise UsageError(
                f"{origin}: there is a workload or family {one.name} already. Give yours another name."
            )
        names.add(one.name)
        found.append(one)
    return tuple(found)


def _from_packages() -> Iterator[tuple[str, Workload | Experiment]]:
    for origin, loaded in load_group(ENTRY_POINTS):
        for one in loaded if isinstance(loaded, list | tuple) else (loaded,):
            if not isinstance(one, Workload | Experiment):
                raise UsageError(
                    f"{origin}: it is {type(one).__name__}, and no workload, experiment, or list of them."
                )
            yield origin, one


def by_name(name: str) -> Workload | Experiment:
    """Return the suite's workload or experiment of that name; raise ``KeyError`` if there is none."""
    return {measurable.name: measurable for measurable in MEASURABLE}[name]
