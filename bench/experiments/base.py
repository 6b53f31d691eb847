"""What an experiment is: a measurement that is more than one job in one place.

A workload is one job, and the campaign makes its place. An experiment makes what it needs by itself, from a prepared
runner: many places at once, a place and a second one beside it, an image moved and then started. Otherwise it is a
case like every other: planned and estimated, interleaved block by block with the other runners, stored as one
trial per block, resumed, and replayed by pytest. See ARCHITECTURE.md, *Experiments*.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tare.bench.measurable import CrowdSettings, Terms
    from tare.results.details import Details
    from tare.results.record import Metric
    from tare.runners.context import RunContext, Runner
    from tare.runners.errors import PlaceFailure
    from tare.runners.images.image import Image
    from tare.runners.model import Limits
    from tare.runners.provision.tools import Provision


@dataclass(frozen=True, slots=True)
class Lab:
    """What an experiment works with: one runner, and everything of the run that it may use."""

    runner: Runner
    """Prepared with :attr:`image` and :attr:`limits`. The campaign closes it, at the end of the run."""
    image: Image
    limits: Limits
    context: RunContext
    """The work folder is ``context.workdir``. Whatever is created carries ``tare-<run>`` in its name."""
    provision: Provision
    crowd: CrowdSettings
    """How many places at once, and how much memory, are allowed."""
    job_seconds: float
    """The mode's length of a steady-state job: what an experiment measures for as long as it likes, it measures for
    about so long."""
    say: Callable[[str], None]
    """Tells the user what happens, on stderr. Not while something is being timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What one trial of an experiment found."""

    metrics: tuple[Metric, ...] = ()
    """At most one of them primary. Without one, no verdict and no ratio is made of the trials, and the experiment has
    a section of its own in the report."""
    timeline: Mapping[str, int] = field(default_factory=dict)
    """Mark → host ``CLOCK_MONOTONIC`` ns, if the whole is one start-up; see :data:`tare.results.record.MARKS`."""
    clock_error: float = 0.0
    context: Mapping[str, Any] = field(default_factory=dict)
    """Facts that must agree before trials are compared: what the places' ``context`` says, and the experiment's."""
    details: Details | None = None
    """Everything that is more than a number: raw samples, curves, tables; ``None``: there is nothing but metrics."""
    failure: PlaceFailure | None = None
    """It went wrong half-way: the trial is recorded as failed with this reason, without metrics, with its details."""


class Experiment(ABC):
    """A measurement that makes its places itself. Instances are immutable and hashable; subclass as a frozen dataclass.

    :meth:`perform` leaves nothing behind on any way out, ``KeyboardInterrupt`` included: use context managers.
    """

    __slots__ = ()

    kind: ClassVar[Literal["experiment"]] = "experiment"
    name: str
    """Unique among workloads and experiments; ``-k`` matches it."""
    family: str
    """What it belongs to; ``-k`` matches it, too."""
    summary: str
    """What is measured, in a line."""
    programs: tuple[str, ...] = ()
    """Names of the programs that the image must carry."""
    opt_in: bool = False
    """Only planned if ``-k`` names it: too long for a run that asks for everything."""
    most_blocks: int = 15
    """More trials than these would say nothing more; ``1`` for facts that do not vary. No mode and no ``--blocks``
    leads to more."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Identity besides the name: trials with other parameters are another series."""
        return {}

    def files(self, cache: Path) -> Mapping[str, Path]:
        """What the image must carry besides the programs: path in the image → file of the host.

        Called when the image is built; may compile, and keep that in the cache.
        """
        del cache
        return {}

    def admit(self, runner: Runner, terms: Terms) -> None:
        """See :meth:`tare.bench.measurable.Measurable.admit`."""
        del runner, terms

    @abstractmethod
    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """What one trial takes under a runner whose places take so long to make and to tear down."""

    @abstractmethod
    def perform(self, lab: Lab) -> Findings:
        """Measure once.

        Raises:
            Unsuitable: recorded as a skip.
            PlaceFailure: recorded as a failure, with its reason, remedy and log.
            ParseError: a program's output is not understood; recorded as a failure.
        """
