"""Define the request: what one run is to measure, and how the call that makes it behaves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from tare.bench.request.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.bench.own.definition import Definition
    from tare.runners.model import Limits

ModeName = Literal["quick", "default", "rigorous"]


class CommandVersion(NamedTuple):
    """A command to measure beside others."""

    name: str
    command: tuple[str, ...]


class SettingsVariant(NamedTuple):
    """Settings under which every runner is measured beside others."""

    name: str
    settings: Settings
    """All settings of the variant, not the differences alone."""


class Slowdowns(msgspec.Struct, frozen=True):
    """Slowdowns that a calibration injects; kept with the request so that it can be resumed."""

    shares: tuple[float, ...]
    """Relative slowdowns: 0.05 is 5 %."""
    start_seconds: Mapping[str, float]
    """Runner key → median seconds of a null launch, of which the shares are taken."""


class Request(msgspec.Struct, frozen=True):
    """Request for one run. :mod:`tare.bench.request.record` keeps it in the manifest, up to :attr:`slowdowns`."""

    settings: Settings = msgspec.field(default_factory=Settings)
    mode: ModeName = "default"
    command: tuple[str, ...] = ()
    """The user's own command; then it is the only workload besides ``null``."""
    versions: tuple[CommandVersion, ...] = ()
    """Commands to measure side by side; then they are the only workloads. The first is the base."""
    variants: tuple[SettingsVariant, ...] = ()
    """Settings to measure every runner under, side by side. The first is the base."""
    carry: tuple[Path, ...] = ()
    """Files and folders of the host that the command needs in the image."""
    around: Definition | None = None
    """Everything about :attr:`command` or :attr:`versions` besides their words. ``None``: nothing."""
    own: Mapping[str, Definition] = msgspec.field(default_factory=dict)
    """The user's own workloads by name."""
    try_duets: bool = False
    """Measure duets of :attr:`command` or :attr:`versions` if a probe shows that they can have them; what it shows goes into
    :attr:`around`."""
    only_own: bool = False
    """:attr:`own` are the only workloads besides ``null``."""
    cases: frozenset[tuple[str, str]] | None = None
    """Only these (workload, runner key). ``None``: everything that the settings select."""
    cases_named: bool = False
    """The user named :attr:`cases` or their workloads, so that what is measured only by name is measured, too."""
    slowdowns: Slowdowns | None = None
    """Set by a calibration alone."""
    offline: bool = False
    """Fetch nothing."""
    profile: bool = False
    """Sample the python workload with py-spy after the measuring."""
    resume: str = ""
    """Reference of the run to go on with. Empty: a new run."""
    extension_seconds: float = 0.0
    """Measuring time to add to the budget of the run that is gone on with; then it may be finished."""
    extension_keyword: str = ""
    """Workloads of that run that the added measuring time goes to, as for ``-k``. Empty: as the run was planned."""
    argv: tuple[str, ...] = ()
    """Words of the command line that asks, for the run's record."""
    pulled_images: tuple[str, ...] = ()
    """Pinned names of the images that the run that is gone on with pulled from registries."""
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    """The user's labels for a new run."""
    skip_missing: bool = False
    """Take it for success if runners asked for by name cannot be measured here."""
    show_output: bool = False
    """Tell the user what own commands print."""
    report: bool = True
    """Write the report at the end."""
    resuming: str = "tare run --resume {run}"
    """Command that goes on with the run if it is interrupted."""

    def limits(self) -> Limits:
        """Check the limits of each place against the CPUs that this process may use.

        Raises:
            UsageError: more CPUs are asked for, or other ones, than there are.
        """
        return self.settings.limits.on(sorted(os.sched_getaffinity(0)))

    def with_run(self, **changes: Any) -> Request:
        """Replace settings of the group ``run``."""
        return replace(self, settings=self.settings.with_run(**changes))
