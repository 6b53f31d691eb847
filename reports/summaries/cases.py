"""Identify the cases of a run and put them into display order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.rungs import Rise
    from tare.results.record import Trial


FAMILIES = ("null", "startup", "cpu", "memory", "kernel", "disk", "network", "python")


class CaseKey(NamedTuple):
    """A workload with its parameters: one row of tables and plots."""

    workload: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """The workload's name, with its parameters where it has any."""
        if not self.parameters:
            return self.workload
        return f"{self.workload} [{', '.join(f'{k}={v}' for k, v in self.parameters)}]"


def case_of(thing: Trial | Comparison | Rise) -> CaseKey:
    """The workload and parameters that a trial or comparison belongs to."""
    return CaseKey(thing.workload, tuple(sorted((str(k), str(v)) for k, v in thing.parameters.items())))


def case_rank(family: str, case: CaseKey) -> tuple[int, str, list[tuple[str, int]], CaseKey]:
    """Numbers in names by their value: ``starts-8`` before ``starts-16``."""
    parts = [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", case.workload)]
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), family, parts, case
