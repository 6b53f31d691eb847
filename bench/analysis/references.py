"""Resolve a run id, name, path, ``latest`` or baseline to its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.analysis.baselines import ThisHost, used_here
from tare.results.errors import ResultError
from tare.results.storage.find import find_run

if TYPE_CHECKING:
    from pathlib import Path

    from tare.bench.request.settings import OutputSettings


def baseline_folders(output: OutputSettings) -> list[Path]:
    """The folders with baselines, one for each host class."""
    return sorted(path for path in output.baselines_dir.glob("*") if path.is_dir())


def run_folder_of(reference: str, output: OutputSettings) -> Path:
    """The folder of the run that ``reference`` means; baselines are looked at last.

    ``baseline`` is the one in use on hosts like this one, unless a run has that name.

    Args:
        reference: what the user gave.
        output: where runs and baselines are kept.

    Raises:
        ResultError: nothing fits, or several do; the text names them.
        UsageError: no baseline is in use, or it is stale.
    """
    try:
        # A baseline is a copy of its run: looked at together, every id would fit two.
        return find_run(reference, output.results_dir)
    except ResultError:
        if reference != "baseline":
            return find_run(reference, output.results_dir, also=baseline_folders(output))
    return used_here(output.baselines_dir, ThisHost.read())
