"""Define the protocol of everything that can be measured, and the terms on which it is planned."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from tare.results.said import joined
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from pathlib import Path

    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.model import Limits

WorkloadKind = Literal["cold", "steady"]
"""``cold``: a place of its own for each trial. ``steady``: many jobs in one place."""

FromMode = Literal["quick", "default", "rigorous", "named"]
"""Shortest mode of a run in which something is measured unasked; ``named``: in none."""

Kind = Literal["cold", "steady", "experiment"]
"""As above; an ``experiment`` makes its places itself."""


class Unsuitable(TareError):
    """An experiment has nothing to say about a runner, or cannot afford it here: becomes a recorded skip."""

    def __init__(self, reason: str, remedy: str = "", *, lasting: bool = False) -> None:
        """Keep reason and remedy; ``lasting`` refusals hold for every block of the run and are not asked for again."""
        super().__init__(joined(reason, remedy))
        self.reason, self.remedy, self.lasting = reason, remedy, lasting


class CrowdSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of experiments with many places at once."""

    memory_budget_bytes: int | None = None
    """Bytes that all places together may use. ``None``: a quarter of what is available."""
    most_places: int = 128
    """Idle places that the density ramp opens at most."""


class Terms(msgspec.Struct, frozen=True):
    """Limits and settings an experiment checks before it is admitted."""

    limits: Limits
    crowd: CrowdSettings = msgspec.field(default_factory=CrowdSettings)
    image: str = ""
    """The image made elsewhere that the run measures in, as ``--image`` names it. Empty: the suite's own."""


class Siblings(Protocol):
    """A source of runners beside those that a run was asked for, and of their images."""

    def image(self, whose: Hashable, build: Callable[[], Image]) -> Image:
        """Return an experiment's own image, which is built when it is first asked for."""

    def get(self, name: str, image: Image, limits: Limits) -> Runner:
        """Return the runner of that name, prepared with image and limits; untimed, and slow the first time.

        Raises:
            Missing: it does not work here.
        """


class Measurable(Protocol):
    """A workload or an experiment, as the plan sees it. Instances are immutable and hashable."""

    @property
    def name(self) -> str:
        """Unique name among workloads and experiments; ``-k`` matches it."""

    @property
    def family(self) -> str:
        """Group of related measurables; ``-k`` matches it, too."""

    @property
    def summary(self) -> str:
        """One line that says what is measured."""

    @property
    def kind(self) -> Kind:
        """Way of measuring, which decides how the plan counts its blocks."""

    @property
    def programs(self) -> tuple[str, ...]:
        """Names of the programs that the image must carry."""

    @property
    def from_mode(self) -> FromMode:
        """Shortest mode that measures it unasked; see :func:`tare.bench.planning.modes.is_planned`."""

    @property
    def most_blocks(self) -> int | None:
        """Blocks beyond which more trials say nothing more, whatever is asked for. ``None``: no such bound."""

    @property
    def shortest_seconds(self) -> float:
        """Length in seconds of the shortest job that is not mostly the program's start. 0: any length will do."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Identity besides the name: trials with other parameters are another series."""

    @property
    def commands(self) -> Mapping[str, tuple[str, ...]]:
        """Command lines of the user's that the image must carry: name of the program in the image → words."""

    @property
    def carry(self) -> tuple[Path, ...]:
        """Files and folders of the host that these commands need in the image."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Further names that ``-k`` matches, such as that of all variants of a workload with parameters."""

    def files(self, cache: Path) -> Mapping[str, Path]:
        """List what the image must carry besides the programs: path in the image → file of the host.

        Called when the image is built; may compile, and keep the product in the cache.
        """

    def admit(self, runner: Runner, terms: Terms) -> None:
        """Agree to be measured under ``runner``; asked when the run is planned, after the runner's probe said yes.

        Raises:
            Unsuitable: not with this runner, or not on this host; the reason and the remedy are recorded.
        """

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Estimate what one trial takes on an ordinary core.

        Args:
            opening_seconds: what making a place and tearing it down takes under the runner.
            job_seconds: the mode's length of a steady-state job.
        """


class Plain:
    """Give the answers of a measurable that needs nothing special; workloads and experiments override what they need."""

    __slots__ = ()

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the identity besides the name: trials with other parameters are another series."""
        return {}

    @property
    def commands(self) -> Mapping[str, tuple[str, ...]]:
        """Bring no command of its own; see :meth:`Measurable.commands`."""
        return {}

    @property
    def carry(self) -> tuple[Path, ...]:
        """Carry nothing of the host; see :meth:`Measurable.carry`."""
        return ()

    @property
    def aliases(self) -> tuple[str, ...]:
        """Have no further name; see :meth:`Measurable.aliases`."""
        return ()

    def files(self, cache: Path) -> Mapping[str, Path]:
        """Need no file in the image; see :meth:`Measurable.files`."""
        del cache
        return {}


def allowed_cpus(limits: Limits) -> frozenset[int]:
    """Return the CPUs that jobs may use: those of the limits, else our own."""
    own = frozenset(os.sched_getaffinity(0))
    return own.intersection(limits.cpuset) or frozenset(limits.cpuset) or own
