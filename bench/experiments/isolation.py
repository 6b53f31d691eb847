"""``isolation``: record what each environment can see and do to the host.

These are facts, not times, so one trial is enough. One place is opened, read from inside, and then used for attempts
to reach the host; see :mod:`tare.runners.inside`.
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
    """Fingerprint an environment from inside, and attempt to reach the host."""

    name: str = "isolation"
    family: str = "isolation"
    summary: str = "what jobs see of their environment, and what they could do to the host (attempts)"
    most_blocks: int = 1

    def files(self, cache: Path) -> Mapping[str, Path]:
        """Carry the program that takes the fingerprint and makes the attempts."""
        return image_files(cache)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Allow for a place and two short jobs."""
        del job_seconds
        return 1.2 * opening_seconds + 0.05

    def perform(self, lab: Lab) -> Findings:
        """Run two jobs in one place: the fingerprint, then the attempts."""
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
