"""Define how the manifest keeps the plan of a run and the request behind it.

The manifest holds the plan as plain JSON, since runs that were imported have none of this kind. Whoever reads it
decodes it whole with :func:`plan_record`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from tare.results.errors import ResultError
from tare.results.said import say

if TYPE_CHECKING:
    from tare.results.record import Manifest

Mode = Literal["quick", "default", "rigorous"]
Count = Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]
Number = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class SlowdownsRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Slowdowns that a calibration injects."""

    shares: tuple[Annotated[float, msgspec.Meta(gt=0, le=1)], ...]
    """Relative slowdowns: 0.05 is 5 %."""
    start_seconds: dict[str, Seconds]
    """Runner key → median seconds of a null launch, of which the shares are taken."""


class RequestRecord(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Request of a run, kept so that a resumed run asks the same again."""

    settings: dict[str, Any]
    """Key, as in ``tare.toml``, → value."""
    mode: Mode
    command: tuple[str, ...] = ()
    """The user's own command. Empty: the suite's workloads."""
    versions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name and command of each version that is measured side by side."""
    variants: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Name of each variant that is measured side by side, and its settings where they differ."""
    carry: tuple[str, ...] = ()
    """Files and folders of the host that the command needs in the image."""
    around: dict[str, Any] | None = None
    """Everything about the command or the versions besides their words, as definitions in TOML have it. ``None``: nothing."""
    own: dict[str, dict[str, Any]] = {}
    """Name → definition of the user's own workloads, as in TOML."""
    only_own: bool = False
    """These are the only workloads besides ``null``."""
    cases: tuple[tuple[str, str], ...] | None = None
    """Workload and runner key of those asked for one by one. ``None``: all that the settings select."""
    cases_named: bool = False
    """The user named these cases or their workloads; otherwise the mode selected them."""
    slowdowns: SlowdownsRecord | None = None
    """Set by a calibration alone."""


class CaseRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cell of the matrix: a workload or experiment under a runner."""

    workload: str
    runner: str
    """Key of the runner, with :data:`tare.results.record.CONTROL_SUFFIX` for its second measurement."""


class PlanRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Plan of a run, without the skips: they are trials."""

    mode: Mode
    seed: int
    blocks: Number | None = None
    """Blocks of every workload in each stream, as asked for. ``None``: the scheduler gives blocks until the intervals
    are within ``precision`` or the budget is spent."""
    precision: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    """Half-width of the 95 % intervals that is aimed at, relative to the cost: 0.01 is ±1 %."""
    together: bool = False
    """Steady-state workloads are compared with one another, so that one block holds all of them."""
    job_seconds: Seconds
    """Length of a steady-state job on an ordinary core."""
    warmups: bool
    """Jobs whose files may have to be loaded first are preceded by a short one that does not count."""
    budget_seconds: Seconds
    """Measuring time, with what later extensions of the run have added."""
    estimate_seconds: Seconds
    """Estimated measuring time. With a scheduler it is the budget."""
    cheap: tuple[str, ...]
    emulated: tuple[str, ...] = ()
    """Runner keys whose places are made anew for every block; the others are streams of their own."""
    cases: tuple[CaseRecord, ...]
    request: RequestRecord


def plan_record(manifest: Manifest) -> PlanRecord:
    """Decode the plan of a run.

    Raises:
        ResultError: it lacks a field, or has one that cannot be; the text names the field.
    """
    try:
        return msgspec.convert(manifest.plan, PlanRecord)
    except msgspec.ValidationError as error:
        raise ResultError(say("plan.damaged", "its plan is damaged: {error}", error=error)) from error


def planned(manifest: Manifest) -> PlanRecord | None:
    """Decode the plan of a run; ``None`` for a run without a complete one, such as one that was imported."""
    try:
        return plan_record(manifest)
    except ResultError:
        return None
