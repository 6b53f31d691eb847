"""``isolation``: what a place's environment is, and what it lets its jobs do to the host.

Facts, not times: one trial says all. One place is opened, looked at, and then tried; see :mod:`tare.runners.inside`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from tare.bench.experiments.base import Experiment, Findings
from tare.results.details import AttemptVerdict, IsolationDetails
from tare.results.record import Metric
from tare.runners.inside import attempts, fingerprint, image_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.bench.experiments.base import Lab


@dataclass(frozen=True, slots=True)
class Isolation(Experiment):
    """Fingerprint and attempts."""

    name: str = "isolation"
    family: str = "isolation"
    summary: str = "what jobs see of their environment, and what they could do to the host (attempts)"
    most_blocks: int = 1

    def files(self, cache: Path) -> Mapping[str, Path]:
        """The program that looks and tries."""
        return image_files(cache)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Two short jobs."""
        del job_seconds
        return 1.2 * opening_seconds + 0.05

    def perform(self, lab: Lab) -> Findings:
        """One place, two jobs."""
        outside = attempts.host_facts()
        with attempts.target(lab.context, lab.image) as given, lab.runner.open() as place:
            inside = fingerprint.take(place, lab.image)
            made = attempts.make(place, given, inside, outside)
            context = dict(place.context)
        counts = Counter(attempt.verdict for attempt in made)
        return Findings(
            metrics=tuple(
                Metric(
                    name=f"attempts.{verdict}",
                    value=counts[verdict],
                    unit="count",
                    direction="none",
                    source="inside",
                )
                for verdict in get_args(AttemptVerdict)
            ),
            context=context,
            details=IsolationDetails(
                attempts=made, fingerprint=inside, same_kernel=attempts.same_kernel(inside, outside)
            ),
        )
