"""What a user may call a run: id, name, path, ``latest``, a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from results.find import find_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def baseline_folders(values: Mapping[str, Any]) -> list[Path]:
    """The folders with baselines, one for each host class."""
    folder: Path = values["run.baselines_dir"]
    return sorted(path for path in folder.glob("*") if path.is_dir())


def run_folder_of(reference: str, values: Mapping[str, Any]) -> Path:
    """The folder of the run that ``reference`` means; baselines are looked at last.

    Args:
        reference: what the user gave.
        values: settings, of the group ``places``.

    Raises:
        ResultError: nothing fits, or several do; the text names them.
    """
    return find_run(reference, values["run.results_dir"], also=baseline_folders(values))
