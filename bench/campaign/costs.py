"""Remember what openings and jobs cost on this host, for the next plan's estimate."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import msgspec

from tare.bench.planning.estimates import merge_numbers, timings_file

if TYPE_CHECKING:
    from pathlib import Path


class Costs(msgspec.Struct):
    """Collect wall times of a run, by the keys of :class:`tare.bench.planning.estimates.Estimates`."""

    seconds: dict[str, list[float]] = msgspec.field(default_factory=dict)
    """Key → every time that was seen."""

    def add(self, key: str, seconds: float) -> None:
        """Take note of one opening, job, cold start or trial of an experiment."""
        self.seconds.setdefault(key, []).append(seconds)

    def remember(self, cache: Path) -> None:
        """Merge the medians into the cache's file."""
        medians = {key: round(median(values), 4) for key, values in self.seconds.items()}
        merge_numbers(timings_file(cache), medians)
