"""List everything that can be measured: workloads and experiments, those of other packages included.

The suite's own are imported when they are first asked for, which takes a third of a second. A run of the user's own
command does without.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tare.bench.experiments.base import Experiment
from tare.bench.workloads.base import Workload
from tare.results.said import say
from tare.runners.entry_points import load_group

if TYPE_CHECKING:
    from tare.runners.entry_points import Addition

ENTRY_POINTS = "tare.workloads"
"""Group of entry points by which other packages add theirs. Each is a workload, an experiment, or a list of them."""


@functools.cache
def ours() -> tuple[Workload | Experiment, ...]:
    """List the suite's own workloads, then its experiments, in the order of the reports."""
    from tare.bench.experiments.listing import EXPERIMENTS  # noqa: PLC0415 - see above
    from tare.bench.workloads.listing import WORKLOADS  # noqa: PLC0415 - see above

    return *WORKLOADS, *EXPERIMENTS


def measurables() -> tuple[Workload | Experiment, ...]:
    """List :func:`ours`, then what other packages add."""
    return _catalogue()[0]


def problems() -> tuple[str, ...]:
    """List sentences about what other packages add and cannot be used: it is no workload, or has a name that is taken."""
    additions = load_group(ENTRY_POINTS)
    return _catalogue()[1] if additions.found else additions.problems


def _catalogue() -> tuple[tuple[Workload | Experiment, ...], tuple[str, ...]]:
    additions = load_group(ENTRY_POINTS)
    found, wrong = list(ours()), list(additions.problems)
    names = {name for one in found for name in (one.name, one.family)}
    for addition in additions.found:
        if problem := _problem(addition, names):
            wrong.append(addition.problem(problem))
        else:
            names.add(addition.content.name)
            found.append(addition.content)
    return tuple(found), tuple(wrong)


def _problem(addition: Addition, names: set[str]) -> str:
    """Say what is wrong with what a package adds; empty: nothing."""
    one = addition.content
    if not isinstance(one, Workload | Experiment):
        return say(
            "addition.no_workload",
            "it is {name}, and no workload, experiment, or list of them",
            name=type(one).__name__,
        )
    name = getattr(one, "name", None)
    if not isinstance(name, str) or not name:
        return say("addition.no_name", "{name} has no name", name=type(one).__name__)
    if name not in names:
        return ""
    return say("addition.workload_taken", "there is a workload or family {name} already", name=name)


def by_name(name: str) -> Workload | Experiment:
    """Return the suite's workload or experiment of that name; raise ``KeyError`` if there is none."""
    return {measurable.name: measurable for measurable in ours()}[name]
