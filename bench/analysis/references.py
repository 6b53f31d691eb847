"""Resolve a run id, name, path, ``latest`` or baseline to its folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tare.bench.analysis.baselines import ThisHost, used_here
from tare.bench.progress import teller
from tare.results.errors import ResultError
from tare.results.said import say
from tare.results.storage.find import find_run, is_ahead, list_runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tare.bench.request.settings import OutputSettings


def baseline_folders(output: OutputSettings) -> list[Path]:
    """List the folders with baselines, one for each host class."""
    return sorted(path for path in output.baselines_dir.glob("*") if path.is_dir())


def own_run_folder_of(reference: str, output: OutputSettings) -> Path:
    """Find the folder of the run that ``reference`` means among those of one folder.

    If ``latest`` passes over a run that is dated in the future, a line on stderr says so.

    Raises:
        ResultError: nothing fits, or several do; the text names them.
    """
    runs = list_runs(output.results_dir) if reference == "latest" else None
    found = find_run(reference, output.results_dir, listed=runs)
    if runs and (told := passed_over([one.run for one in runs])):
        sys.stderr.write(f"tare: {teller(output.language)(told)}\n")
    return found


def run_folder_of(reference: str, output: OutputSettings) -> Path:
    """Find the folder of the run that ``reference`` means; baselines are looked at last.

    ``baseline`` is the one in use on hosts like this one, unless a run has that name. See also :func:`own_run_folder_of`.

    Args:
        reference: what the user gave.
        output: where runs and baselines are kept.

    Raises:
        ResultError: nothing fits, or several do; the text names them.
        UsageError: no baseline is in use, or it is stale.
    """
    try:
        # A baseline is a copy of its run: looked at together, every id would fit two.
        return own_run_folder_of(reference, output)
    except ResultError:
        if reference != "baseline":
            return find_run(reference, output.results_dir, also=baseline_folders(output))
    return used_here(output.baselines_dir, ThisHost.read())


def passed_over(runs: Sequence[str]) -> str:
    """Say that ``latest`` passes over a run that is dated in the future; empty if there is none, or all are.

    Args:
        runs: ids, in order.
    """
    ahead = [run for run in runs if is_ahead(run)]
    if not ahead or len(ahead) == len(runs):
        return ""
    return say(
        "find.ahead",
        "run {ahead} is dated in the future, so the clock was set back after it; `latest` means {run}. Name a run by its id to use another.",
        ahead=ahead[-1], run=next(run for run in reversed(runs) if run not in ahead),
    )  # fmt: skip
