"""Identify the cases of a run and put them into display order."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from tare.results.judgement.claims.model import Finding
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.rungs import RungCost
    from tare.results.record import Trial


FAMILIES = ("null", "startup", "cpu", "memory", "kernel", "disk", "network", "python", "apps")
"""Families of workloads in display order; others follow by name."""


COMMAND = "command"
"""Name of the workload of ``tare run -- CMD``, which only its command line tells from another."""


class CaseKey(NamedTuple):
    """Identify a workload with its parameters: one row of tables and plots."""

    workload: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """Name of the workload, followed by its parameters if it has any: ``disk-rand [bs=4k]``."""
        shown = shown_parameters(self.workload, self.parameters)
        return f"{self.workload} [{', '.join(f'{k}={v}' for k, v in shown)}]" if shown else self.workload


def shown_parameters(workload: str, parameters: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Choose the parameters that a title shows: not those that the name of a user's own workload tells already."""
    return [
        (key, value)
        for key, value in parameters
        if f"{key}={value}" not in re.split("[:,]", workload)
        and (workload == COMMAND or key not in {"command", "server", "client"})
    ]


def case_of(thing: Trial | Comparison | RungCost | Finding) -> CaseKey:
    """Give the workload and parameters that a trial, comparison, rung or finding belongs to."""
    given = thing.parameters
    # Most have none, and a report asks for very many.
    return CaseKey(thing.workload, tuple(sorted((str(k), str(v)) for k, v in given.items())) if given else ())


def single_cases(cases: Iterable[tuple[str, Hashable]]) -> frozenset[str]:
    """Choose the workloads of which there is one case: their parameters would lengthen labels and distinguish nothing.

    Args:
        cases: pairs of a workload and what tells its cases apart, such as :class:`CaseKey`.
    """
    times = Counter(workload for workload, _ in set(cases))
    return frozenset(workload for workload, n in times.items() if n == 1)


def case_rank(family: str, case: CaseKey) -> tuple[int, str, list[tuple[str, int]], CaseKey]:
    """Give the sort key of a case: by family, then by name, with numbers by value (``starts-8`` before ``starts-16``)."""
    parts = [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", case.workload)]
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), family, parts, case
