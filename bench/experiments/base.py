"""Define experiments: measurements that are more than one job in one place.

A workload is one job, and the campaign makes its place. An experiment makes its places itself, from a prepared runner:
many at once, or one and a server beside it, or one after the image has been delivered. Otherwise it is a case like
every other: planned and estimated, interleaved block by block with the other runners, stored as one trial per block,
resumed, and replayed by pytest. See ARCHITECTURE.md, *Experiments*.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from tare.bench.measurable import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tare.bench.measurable import CrowdSettings, FromMode, Siblings, Terms
    from tare.results.details import Details
    from tare.results.record import Metric
    from tare.runners.context import RunContext, Runner
    from tare.runners.errors import PlaceFailure
    from tare.runners.images.image import Image
    from tare.runners.model import Limits
    from tare.runners.provision.tools import Provision


class Lab(msgspec.Struct, frozen=True):
    """Everything an experiment may use of the run, for one runner."""

    runner: Runner
    """Prepared with :attr:`image` and :attr:`limits`. The campaign closes it at the end of the run."""
    image: Image
    limits: Limits
    context: RunContext
    """Names the work folder, ``context.workdir``. Everything that is created carries ``tare-<run>`` in its name."""
    provision: Provision
    crowd: CrowdSettings
    """Number of places at once and amount of memory that are allowed."""
    job_seconds: float
    """The mode's length of a steady-state job; an experiment that may choose how long it measures takes about it."""
    say: Callable[[str], None]
    """Tells the user on stderr what happens. Not to be called while something is timed."""
    siblings: Siblings | None = None
    """Source of further runners, with a network or other limits. ``None``: there are none."""


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one trial of an experiment found."""

    metrics: tuple[Metric, ...] = ()
    """At most one is primary. Without a primary one the trials get no verdict and no ratio, and the experiment has a
    section of its own in the report."""
    timeline: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Mark → host ``CLOCK_MONOTONIC`` ns, if the whole is one start-up; see :data:`tare.results.record.MARKS`."""
    clock_error: float = 0.0
    """Bound in seconds on what was read from a guest's clock; 0 where the host's was read."""
    context: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """Facts that must agree before trials are compared: the places' ``context``, and the experiment's own."""
    details: Details | None = None
    """Everything that is more than a number: raw samples, curves, tables; ``None``: there is nothing but metrics."""
    failure: PlaceFailure | None = None
    """Failure half-way: the trial is recorded as failed with this reason, without metrics but with its details."""


class Experiment(Plain, ABC):
    """A measurement that makes its places itself. Instances are immutable and hashable; subclass as a frozen dataclass.

    :meth:`perform` leaves nothing behind on any way out, ``KeyboardInterrupt`` included: use context managers.
    """

    __slots__ = ()

    kind: ClassVar[Literal["experiment"]] = "experiment"
    name: str
    """Unique name among workloads and experiments; ``-k`` matches it."""
    family: str
    """Group of related measurements; ``-k`` matches it, too."""
    summary: str
    """One line that says what is measured."""
    programs: tuple[str, ...] = ()
    """Names of the programs that the image must carry."""
    from_mode: FromMode = "quick"
    """Shortest mode that measures it unasked, as of workloads. ``named``, where it is too long for a run that asks for
    everything: only where ``-k`` names it or its family."""
    shortest_seconds: ClassVar[float] = 0.0
    shares_budget: ClassVar[bool] = True
    """All of them together get a part of the budget, beside workloads. False: the scheduler treats it as a workload."""
    most_blocks: int | None = 15
    """Blocks beyond which more trials say nothing more, whatever mode and ``--blocks`` ask for; 1 for facts that do
    not vary. ``None``: no such bound."""

    def admit(self, runner: Runner, terms: Terms) -> None:
        """See :meth:`tare.bench.measurable.Measurable.admit`."""
        del runner, terms

    @abstractmethod
    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """See :meth:`tare.bench.measurable.Measurable.nominal_seconds`."""

    @abstractmethod
    def perform(self, lab: Lab) -> Findings:
        """Measure once.

        Raises:
            Unsuitable: recorded as a skip.
            PlaceFailure: recorded as a failure, with its reason, remedy and log.
            ParseError: a program's output is not understood; recorded as a failure.
        """
