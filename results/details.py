"""What a trial of an experiment found besides its metrics: one struct for each kind of experiment.

:attr:`tare.results.record.Trial.details` holds one of them; in JSON its ``kind`` says which. Reports read these fields
and nothing else of a trial but its metrics and its timeline. Only msgspec is imported: this module is loaded while
measuring.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

AttemptVerdict = Literal["open", "confined", "blocked", "absent"]
"""What became of an attempt. ``open``: it reached something of the host's. ``confined``: it reached only what is the
place's own. ``blocked``: it was refused. ``absent``: the place has nothing to try it on."""


class BurstStart(msgspec.Struct, frozen=True, array_like=True):
    """One start of a burst, in ns of the host's ``CLOCK_MONOTONIC`` since the first one of the burst was asked for."""

    asked_ns: int
    """When its thread had everything ready and handed it over."""
    ready_ns: int
    """When its agent was ready for jobs."""
    gone_ns: int
    """When its place was torn down."""


class StartsDetails(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="starts"):
    """Raw samples of ``starts-N``: bursts of N cold starts at once."""

    bursts: tuple[tuple[BurstStart, ...], ...]
    """The bursts of which every start succeeded, in the order of measuring; each has its N starts."""


class PlacesMemory(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of a number of places that were open at the same time, read from outside.

    ``None`` in a number of bytes: it could not be read of every process; the sum of a part would be wrong.
    """

    places: int
    """How many were open; 0 before the first."""
    processes: int
    """Processes of the places themselves, VMMs included."""
    pss_bytes: int | None
    """PSS of these processes (``smaps_rollup``): what several share is divided among them."""
    cgroups_bytes: int | None
    """What the places' cgroups are charged with; ``None`` also where they have none that counts memory."""
    attendants_bytes: int | None
    """PSS of what each place brought along outside of itself: a shim, a monitor, an engine's client."""
    daemons_bytes: int | None
    """PSS of the engine's daemons, which are there once for all places; ``None`` also where the runner has none."""
    available_bytes: int
    """The host's ``MemAvailable`` at that moment."""


class DensityDetails(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="density"):
    """The ramp of ``density``: idle places opened one after the other under a memory budget."""

    budget_bytes: int
    """What all places together were allowed to use."""
    stopped: str
    """Why no further place was opened, as a phrase for the report."""
    memory: tuple[PlacesMemory, ...]
    """Readings before the first place, at every power of two, and at the end."""
    start_seconds: tuple[float, ...]
    """Seconds from ``requested`` to ``ready``, place by place."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a job to reach what is not its place's own, and what became of it."""

    name: str
    """The attempt's name, such as ``set-time``; reports translate it."""
    verdict: AttemptVerdict
    error: str
    """Name of the errno with which it was refused; empty: it was not."""
    tried: str
    """What was called, for people."""


class IsolationDetails(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="isolation"):
    """What ``isolation`` saw from inside a place, and what the place let its jobs do to the host."""

    attempts: tuple[Attempt, ...]
    fingerprint: dict[str, str | int]
    """Facts by name, such as ``kernel.release``; what the place does not show is not there. Reports list them all and
    ask for none by name."""
    same_kernel: bool
    """Whether the place's kernel is the host's."""


class LayerSizes(msgspec.Struct, frozen=True, kw_only=True):
    """One layer of an image in its forms."""

    name: str
    digest: str
    """SHA-256 of the layer's tar, ``sha256:…``."""
    files: int
    size_bytes: int
    """Sum of the sizes of its files."""
    tar_bytes: int
    gzip_bytes: int
    """The tar with gzip, as registries keep it."""


class DiskSizes(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of a guest's root disk and of what is in it."""

    root_allocated_bytes: int
    """Disk space that the raw image takes, its holes left out."""
    tree_bytes: int
    """Sum of the sizes of the files in it."""


class ImageRead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it was counted what a start reads of its image; the number itself is the metric ``deploy.read``."""

    method: str
    """A phrase for the report."""
    left_before_bytes: int | None = None
    """What of the image was still in the page cache before the start; ``None``: another method, which needs none."""


class DeployDetails(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="deploy"
):
    """What ``deploy-PAYLOAD`` brought to where it runs."""

    layers: dict[str, tuple[LayerSizes, ...]] = {}
    """Version of the payload → its image's layers, lowest first; empty where it came as a disk."""
    disks: DiskSizes | None = None
    """``None`` where it came as layers."""
    read: ImageRead | None = None
    """``None``: it was not counted what a start reads."""


class ScalingDetails(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="scaling"):
    """How many threads ``scale-N`` compared with one."""

    threads: Annotated[int, msgspec.Meta(ge=1)]


Details = StartsDetails | DensityDetails | IsolationDetails | DeployDetails | ScalingDetails
