"""What a user may call a run: id, name, path, ``latest``, a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.bench.analysis.baselines import Here, used_here
from tare.results.errors import ResultError
from tare.results.storage.find import find_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def baseline_folders(values: Mapping[str, Any]) -> list[Path]:
    """The folders with baselines, one for each host class."""
    folder: Path = values["run.baselines_dir"]
    return sorted(path for path in folder.glob("*") if path.is_dir())


def run_folder_of(reference: str, values: Mapping[str, Any]) -> Path:
    """The folder of the run that ``reference`` means; baselines are looked at last.

    ``baseline`` is the one in use on hosts like this one, unless a run has that name.

    Args:
        reference: what the user gave.
        values: settings, of the group ``places``.

    Raises:
        ResultError: nothing fits, or several do; the text names them.
        UsageError: no baseline is in use, or it is stale.
    """
    try:
        # A baseline is a copy of its run: looked at together, every id would fit two.
        return find_run(reference, values["run.results_dir"])
    except ResultError:
        if reference != "baseline":
            return find_run(reference, values["run.results_dir"], also=baseline_folders(values))
    return used_here(values["run.baselines_dir"], Here.now_and_here())
