"""TODO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.launcher.client import Launcher


@dataclass(frozen=True, slots=True)
class RunContext:
    """What runners need of the run they work for."""

    run: str
    """The run id. All that is created on the host carries ``tare-<run>`` in its name."""
    workdir: Path
    """``tare-<run>`` folder on a disk-backed file system; removed at the end of the run."""
    cache: Path
    launcher: Launcher
    offline: bool = False
