"""Find what an earlier calibration of this host says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.runners.provision.cache import default_cache

if TYPE_CHECKING:
    from pathlib import Path

from tare.results.errors import ResultError
from tare.results.judgement.calibration import path_in, read_calibration
from tare.runners.errors import TareError
from tare.runners.host.facts import host_class

if TYPE_CHECKING:
    from tare.results.judgement.calibration import Calibration
    from tare.results.record import Manifest


def folder_of(host: str, cache: Path | None = None) -> Path:
    """Where a host class' calibration is kept. Its runs are in ``runs``: histories and `latest` must not meet them."""
    return (cache or default_cache()) / "calibrations" / host


def known_calibration(manifest: Manifest) -> Calibration | None:
    """How often the judgement errs on the run's host class, if this host's cache knows."""
    if not manifest.host:
        return None
    try:
        return read_calibration(path_in(folder_of(host_class(manifest.host))))
    except (ResultError, TareError):
        # A damaged one is told by `tare calibrate`; a report goes without.
        return None
