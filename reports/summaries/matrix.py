"""Arrange the answers of a run as a matrix: runners × families of workloads, with one answer that stands for each cell."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.summaries.cases import CaseKey, case_of
from tare.results.details import IsolationDetails
from tare.results.judgement.answers import decided
from tare.results.record import CONTROL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tare.results.judgement.answers import Answers
    from tare.results.judgement.comparison import Comparison, Verdict
    from tare.results.record import Trial
    from tare.results.statistics.estimates import Estimate

    Rank = Callable[[str], tuple[int, int, str]]


@dataclass(frozen=True, slots=True)
class Family:
    """One column of the matrix: the workloads that tell the cost of one thing."""

    name: str
    families: frozenset[str]
    """Families of workloads, as trials record them."""
    workloads: frozenset[str] = frozenset()
    """Names of single workloads of other families."""
    absolute: bool = False
    """Whether a cell gives its value as well as its ratio: a duration, or a size."""

    def holds(self, family: str, workload: str) -> bool:
        """Tell whether a workload belongs to this column."""
        return workload in self.workloads or family in self.families


STARTUP, DENSITY, ISOLATION = "startup", "density", "isolation"

FAMILIES = (
    Family(STARTUP, frozenset({"startup", "null"}), frozenset({"null"}), absolute=True),
    Family("cpu", frozenset({"cpu", "7z", "calibration"})),
    Family("memory", frozenset({"memory"})),
    Family("kernel", frozenset({"kernel"})),
    Family("disk", frozenset({"disk"})),
    Family("network", frozenset({"network"})),
    Family("applications", frozenset({"python", "application", "applications", "apps", "services"})),
    Family(DENSITY, frozenset(), frozenset({"density"}), absolute=True),
    Family(ISOLATION, frozenset({"isolation"})),
)
"""Columns in their order. Workloads of other families follow, each in a column of its own."""

APART = frozenset({"crowd", "scaling", "deploy", "neighbours", "neighbour-pairs"})
"""Families that are no column: their results are curves and tables, and have sections of their own."""

MOST_OWN = 6
"""Workloads of other families, such as a user's commands, that get columns."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One cell: how a runner stands in a family, and the answer that stands for it."""

    family: str
    runner: str
    rows: tuple[Answers, ...]
    """Answers of all workloads of the family under the runner, not empty."""
    row: Answers
    """The answer that stands for the cell: see :func:`standing_for`."""

    @property
    def comparison(self) -> Comparison:
        """Comparison that decides the row, by time or by CPU; that of time where nothing does."""
        return deciding(self.row)

    @property
    def verdict(self) -> Verdict:
        """Verdict of the cell, which its colour and its sign tell."""
        return self.comparison.verdict

    @property
    def by_cpu(self) -> bool:
        """Tell whether CPU time decides the cell, and not the metric of the workload."""
        return self.comparison is self.row.cpu

    @property
    def decided(self) -> int:
        """Number of the family's workloads that are decided."""
        return sum(one.by != "none" for one in self.rows)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Count what a runner's places let a job do to the host."""

    open: int
    """Attempts that reached something of the host's."""
    total: int
    """Attempts that were made; those for which there was nothing to try are left out."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """All standings of a run, by runner and family."""

    base: str
    runners: tuple[str, ...]
    """Runners that were compared with the base, in display order."""
    families: tuple[str, ...]
    """Columns for which there is a number, in their order; a workload of another family goes by its label."""
    cells: Mapping[tuple[str, str], Standing]
    """(runner, family) → standing."""
    isolation: Mapping[str, Attempts]
    """Runner, the base included → its attempts; empty if isolation was not measured."""
    missing: tuple[str, ...]
    """Families of :data:`FAMILIES` for which nothing was measured."""


def deciding(row: Answers) -> Comparison:
    """Give the answer that a row is known by: time if it is decided, else CPU if that is, else time.

    Where time shows no difference that matters and CPU does, CPU is what the row is known by.
    """
    if row.cpu is None or not decided(row.cpu):
        return row.time
    if not decided(row.time) or (row.time.verdict == "same" and row.cpu.verdict != "same"):
        return row.cpu
    return row.time


def standing_for(rows: Sequence[Answers]) -> Answers:
    """Choose the row that stands for a family: the one that a reader must not miss.

    That is the costliest of those that cost more; else, of undecided ones, that which may cost most; else the one that costs
    least, if any costs less; else the row with the highest bound among those without a difference that matters.
    """
    by_verdict: dict[Verdict, list[Answers]] = defaultdict(list)
    for row in rows:
        by_verdict[deciding(row).verdict].append(row)
    if by_verdict["worse"]:
        return max(by_verdict["worse"], key=lambda row: _size(deciding(row).cost))
    if by_verdict["undecided"]:
        return max(by_verdict["undecided"], key=lambda row: _reach(row.time.cost))
    if by_verdict["better"]:
        return min(by_verdict["better"], key=lambda row: _size(deciding(row).cost))
    return max(by_verdict["same"], key=lambda row: _reach(deciding(row).cost))


def matrix(answers: Iterable[Answers], measured: Iterable[Trial], rank: Rank) -> Matrix:
    """Arrange the judged comparisons of a run, and what its places let jobs do to the host.

    ``rank`` is the sort key of a runner's label.
    """
    rows = [row for row in answers if row.time.runner != CONTROL]
    found: dict[tuple[str, str], list[Answers]] = defaultdict(list)
    own: dict[str, None] = {}
    for row in rows:
        name = family_of(row.time.family, case_of(row.time))
        if name is not None:
            found[row.time.runner, name].append(row)
            if name not in _NAMES:
                own[name] = None
    isolation = _attempts(measured)
    told = {family for _runner, family in found} | ({ISOLATION} if isolation else set())
    kept = [name for name in own if name in told][:MOST_OWN]
    runners = {row.time.runner for row in rows} | (isolation.keys() - {_base(rows)})
    return Matrix(
        base=_base(rows),
        runners=tuple(sorted(runners - {CONTROL}, key=rank)),
        families=(*(one.name for one in FAMILIES if one.name in told), *kept),
        cells={
            key: Standing(key[1], key[0], tuple(answers), standing_for(answers))
            for key, answers in found.items()
            if key[1] in _NAMES or key[1] in kept
        },
        isolation=isolation,
        missing=tuple(one.name for one in FAMILIES if one.name not in told),
    )


def family_of(family: str, case: CaseKey) -> str | None:
    """Name the column of a workload; ``None`` for those that have none."""
    known = next((one.name for one in FAMILIES if one.holds(family, case.workload)), None)
    if known is not None or family in APART:
        return known
    return case.label


def estimate_of_base(matrix: Matrix, family: str) -> tuple[Estimate, str] | None:
    """Give the base's own value and unit in a family that shows values; ``None`` where it has none."""
    for runner in matrix.runners:
        cell = matrix.cells.get((runner, family))
        if cell is not None:
            return cell.row.time.base_value, cell.row.time.base_unit or cell.row.time.unit
    return None


_NAMES = {one.name for one in FAMILIES}
ABSOLUTE = {one.name for one in FAMILIES if one.absolute}
"""Families whose cells give values as well as ratios."""


def _base(rows: Iterable[Answers]) -> str:
    return next((row.time.base for row in rows), "bare")


def _size(cost: Estimate) -> float:
    return cost.value if math.isfinite(cost.value) else 0.0


def _reach(cost: Estimate) -> float:
    """Give the most that a row may cost; without an interval there is no bound."""
    return math.inf if cost.high is None or not math.isfinite(cost.high) else cost.high


def _attempts(measured: Iterable[Trial]) -> Mapping[str, Attempts]:
    """Count the attempts of each runner's last trial of isolation."""
    found: dict[str, Attempts] = {}
    for trial in measured:
        if isinstance(trial.details, IsolationDetails) and not trial.control:
            verdicts = [one.verdict for one in trial.details.attempts]
            tried = [verdict for verdict in verdicts if verdict != "absent"]
            found[trial.runner] = Attempts(tried.count("open"), len(tried))
    return found
