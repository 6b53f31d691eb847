"""Use Tare from Python: ``import tare``, then :func:`tare.run`, :func:`tare.load` and :func:`tare.compare`.

What this module exports as ``tare.NAME`` follows semantic versions; everything else may change in any release.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.request.layers import merge
from tare.results.record import BASE
from tare.results.storage.load import load_run

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import Unpack

    import pandas as pd

    from tare.bench.analysis.comparison import Multiplicity
    from tare.bench.analysis.gate_report import GateReport
    from tare.bench.own.calls import OwnWorkload, Work, WorkloadOptions
    from tare.bench.request.calls import RunOptions
    from tare.bench.request.settings import OutputSettings
    from tare.reports.summaries.failures import FailureGroup
    from tare.results.judgement.comparison import Comparison
    from tare.results.record import Manifest, Trial

__all__ = ["Run", "compare", "load", "run", "workload"]


@dataclass(frozen=True, slots=True)
class Run:
    """A stored run. Nothing but its manifest is in memory until it is asked for."""

    folder: Path
    """Folder of its records."""
    manifest: Manifest
    """What was asked for, the host, the environments and how the run ended."""
    report: Path | None = None
    """Page of the report, if the call that gave this run has written one."""

    @property
    def id(self) -> str:
        """Return the run's id, ``YYYYMMDD-HHMMSS-xxxxx``."""
        return self.manifest.run

    def trials(self) -> list[Trial]:
        """Read all trials, in the order in which they were made; impossible ones have the outcome ``invalid``.

        Raises:
            ResultError: the file cannot be read.
        """
        return list(load_run(self.folder).trials())

    def failures(self) -> tuple[FailureGroup, ...]:
        """Group the trials that gave no number by what went wrong; those that were skipped are not among them.

        Raises:
            ResultError: the file cannot be read.
        """
        from tare.reports.summaries.failures import failure_groups  # noqa: PLC0415 - for those who ask

        return failure_groups(self.trials())

    def frame(self) -> pd.DataFrame:
        """Read the run as a tidy table: one row for each metric of each trial, and one for each trial without metrics.

        The columns are those of ``tare export --format csv``; values are in base units, and warm-ups, controls and failures
        are among the rows, each marked as such.

        Raises:
            ResultError: the file cannot be read.
        """
        import pandas as pd  # noqa: PLC0415 - costs a third of a second, and other calls do without

        from tare.reports.exports import tidy  # noqa: PLC0415
        from tare.reports.model import ReportInput  # noqa: PLC0415

        rows = tidy.rows(ReportInput(self.manifest, tuple(self.trials()), ()))
        return pd.DataFrame(rows, columns=list(tidy.COLUMNS))

    def comparisons(self, base: str = BASE, *, threshold: float = 0.02) -> list[Comparison]:
        """Judge every environment of the run against one of them, for each workload and metric.

        The verdicts are those of the report: calls that chance explains among so many are withdrawn.

        Args:
            base: Label of the environment to compare with.
            threshold: Relative difference that matters: 0.02 is 2 %.

        Raises:
            ResultError: the file cannot be read.
        """
        from tare.results.judgement.answers import withdraw_chance  # noqa: PLC0415 - imports pandas
        from tare.results.judgement.within_run import compare_within  # noqa: PLC0415

        return withdraw_chance(compare_within(load_run(self.folder), base=base, threshold=threshold))


def workload(what: Work, /, **options: Unpack[WorkloadOptions]) -> OwnWorkload:
    """Define a workload: a command, or a plain Python function, with everything that belongs to it.

    Args:
        what: A line of words, a list of words, or a function.
        options: See :class:`tare.bench.own.calls.WorkloadOptions`; most are the keys of a definition in TOML.

    Raises:
        UsageError: it cannot be used; the text says what would be right.
    """
    from tare.bench.own import calls  # noqa: PLC0415 - imports msgspec's structs

    return calls.workload(what, **options)


def run(
    work: Iterable[Work | OwnWorkload] = (),
    *,
    places: Iterable[str] = (),
    report: bool = False,
    progress: bool = False,
    **options: Unpack[RunOptions],
) -> Run:
    """Measure commands and functions in places, as ``tare run`` does; with no work, the suite's workloads.

    Args:
        work: Commands, functions, and what :func:`workload` gives.
        places: Runners, as for ``--runners``; bare metal is always among them. By default those of the mode.
        report: Write the report as well; :attr:`Run.report` is its page.
        progress: Show on the standard error what goes on.
        options: See :class:`tare.bench.request.calls.RunOptions`. What surrounds commands (``parameters``, ``prepare``, …)
            is for those commands and functions that are given as such; a :func:`workload` has its own.

    Returns:
        The run, also if trials of it failed: :meth:`Run.failures` has them.

    Raises:
        UsageError: something that was asked for makes no sense; the text says what would.
        EnvironmentMissing: nothing of it can be measured here; the text has each reason and remedy.
        TareError: this host lacks what every run needs.
        KeyboardInterrupt: the run was interrupted; what was measured is stored, and its text says how to go on.
    """
    from tare.bench import pipeline  # noqa: PLC0415 - loads what measures
    from tare.bench.progress import Lines, Silent  # noqa: PLC0415
    from tare.bench.request.calls import request_of_call  # noqa: PLC0415

    request = request_of_call(work, places, report=report, options=options)
    finished = pipeline.execute(request, Lines() if progress else Silent())
    if finished.interrupted:
        raise KeyboardInterrupt(
            f"run {finished.run_dir.name} was interrupted; what was measured is in {finished.run_dir}"
        )
    return Run(finished.run_dir, load_run(finished.run_dir).manifest, finished.report)


def load(
    reference: str | os.PathLike[str] = "latest", *, results: str | os.PathLike[str] | None = None
) -> Run:
    """Find a stored run.

    Args:
        reference: Id, name, path, ``latest`` or ``baseline``, as for ``tare report``.
        results: Folder of the runs; by default what ``$TARE_RESULTS_DIR`` or ``tare.toml`` says, or ``results/runs``.

    Raises:
        ResultError: nothing fits, or several do; the text names them. Or the run's manifest cannot be read.
        UsageError: the settings cannot be read.
    """
    from tare.bench.analysis.references import run_folder_of  # noqa: PLC0415 - reads the host

    stored = load_run(run_folder_of(str(reference), _output(results)))
    return Run(stored.path, stored.manifest)


def compare(
    base: Run | str | os.PathLike[str],
    head: Run | str | os.PathLike[str] = "latest",
    *,
    thresholds: str | os.PathLike[str] | None = None,
    multiplicity: Multiplicity = "bh",
    allow_unlike: bool = False,
) -> GateReport:
    """Compare two stored runs, as ``tare compare`` does.

    Args:
        base: The earlier run, or a reference to it.
        head: The run to judge, or a reference to it.
        thresholds: File of the relative differences that matter, by series; by default 2 % for all.
        multiplicity: Correction for many comparisons.
        allow_unlike: Compare although hosts or settings differ.

    Returns:
        The report: ``gate`` has the verdicts, ``exit_code`` says what ``tare compare`` would end with, ``as_text()``,
        ``as_markdown()``, ``as_junit()`` and ``as_json()`` write it.

    Raises:
        UnlikeRunsError: hosts or settings differ, and that is not allowed.
        ResultError: a run or the thresholds cannot be read.
    """
    from tare.bench.analysis.comparison import Rules, compare_stored  # noqa: PLC0415 - imports pandas
    from tare.results.judgement.thresholds import Thresholds, read_thresholds  # noqa: PLC0415

    chosen = Thresholds() if thresholds is None else read_thresholds(Path(thresholds))
    rules = Rules(chosen, multiplicity)
    sides = [one if isinstance(one, Run) else load(one) for one in (base, head)]
    return compare_stored(sides[0].folder, sides[1].folder, rules=rules, allow_unlike=allow_unlike)


def _output(results: str | os.PathLike[str] | None) -> OutputSettings:
    """Read the settings of the output, the folder of the runs replaced if one is given."""
    return merge({"run.results_dir": None if results is None else str(results)}).output
