"""Define how the manifest keeps the plan of a run and the request behind it.

The manifest holds the plan as plain JSON, since runs that were imported have none of this kind. Whoever reads it
decodes it whole with :func:`plan_record`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from tare.results.errors import ResultError

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
    cases: tuple[tuple[str, str], ...] | None = None
    """Workload and runner key of those asked for one by one. ``None``: all that the settings select."""
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
    rounds: Number
    """Openings of the steady-state places."""
    cold_blocks: Count
    steady_blocks: Count
    """In all rounds together."""
    full_blocks: Count | None = None
    """Steady-state blocks that all runners take part in. ``None``: all blocks."""
    full_cold_blocks: Count | None = None
    """Blocks of cold starts that all runners take part in. ``None``: all blocks."""
    experiment_blocks: dict[str, Count]
    """Experiment → its blocks, in all rounds together."""
    job_seconds: Seconds
    """Length of a steady-state job on an ordinary core."""
    warmups: bool
    budget_seconds: Seconds
    """Measuring time that the blocks were fitted into."""
    estimate_seconds: Seconds
    trials: Count
    """Trials that the plan leads to, warm-ups included, skips not."""
    reopened: tuple[str, ...]
    """Runner keys whose steady-state places are made anew for every block."""
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
        raise ResultError(f"its plan is damaged: {error}") from error


def planned(manifest: Manifest) -> PlanRecord | None:
    """Decode the plan of a run; ``None`` for a run without a complete one, such as one that was imported."""
    try:
        return plan_record(manifest)
    except ResultError:
        return None
