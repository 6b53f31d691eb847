"""Identify the cases of a run and put them into display order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tare.results.judgement.claims.model import Finding
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.rungs import RungCost
    from tare.results.record import Trial


FAMILIES = ("null", "startup", "cpu", "memory", "kernel", "disk", "network", "python", "apps")
"""Families of workloads in display order; others follow by name."""


class CaseKey(NamedTuple):
    """Identify a workload with its parameters: one row of tables and plots."""

    workload: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """Name of the workload, followed by its parameters if it has any: ``disk-rand [bs=4k]``."""
        if not self.parameters:
            return self.workload
        return f"{self.workload} [{', '.join(f'{k}={v}' for k, v in self.parameters)}]"


def case_of(thing: Trial | Comparison | RungCost | Finding) -> CaseKey:
    """Give the workload and parameters that a trial, comparison, rung or finding belongs to."""
    return CaseKey(thing.workload, tuple(sorted((str(k), str(v)) for k, v in thing.parameters.items())))


def case_rank(family: str, case: CaseKey) -> tuple[int, str, list[tuple[str, int]], CaseKey]:
    """Give the sort key of a case: by family, then by name, with numbers by value (``starts-8`` before ``starts-16``)."""
    parts = [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", case.workload)]
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), family, parts, case
