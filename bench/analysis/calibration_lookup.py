"""Look up the last calibration of a host class in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.errors import ResultError
from tare.results.judgement.calibration import path_in, read_calibration
from tare.runners.errors import TareError
from tare.runners.host.facts import host_class
from tare.runners.provision.cache import default_cache

if TYPE_CHECKING:
    from pathlib import Path

    from tare.results.judgement.calibration import Calibration
    from tare.results.record import Manifest


def calibration_folder(host: str, cache: Path | None = None) -> Path:
    """Return where a host class' calibration is kept. Its runs are in ``runs`` there, apart from the measured ones."""
    return (cache or default_cache()) / "calibrations" / host


def known_calibration(manifest: Manifest) -> Calibration | None:
    """Read how often the judgement errs on the run's host class; ``None`` if the cache has no calibration of it."""
    if not manifest.host:
        return None
    try:
        return read_calibration(path_in(calibration_folder(host_class(manifest.host))))
    except (ResultError, TareError):
        # `tare calibrate` tells of a damaged one; a report does without.
        return None
