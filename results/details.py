"""Define what an experiment records besides its metrics: one struct for each kind of experiment.

:attr:`tare.results.record.Trial.details` holds one of them; in JSON, ``kind`` names the struct. Besides metrics and
timeline, reports read only these fields of a trial. The module imports only msgspec because it is loaded while
measuring.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

AttemptVerdict = Literal["open", "confined", "blocked", "absent"]
"""Outcome of an attempt. ``open``: it reached something that belongs to the host. ``confined``: it reached only what
belongs to the place. ``blocked``: it was refused. ``absent``: the place has nothing to try it on."""


class BurstStart(msgspec.Struct, frozen=True, array_like=True):
    """One start of a burst; times are ns of the host's ``CLOCK_MONOTONIC`` since the first start was requested."""

    asked_ns: int
    """Time at which the start's thread had prepared everything and requested the launch."""
    ready_ns: int
    """Time at which the agent could take jobs."""
    gone_ns: int
    """Time at which the place had been torn down."""


class StartsDetails(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="starts"):
    """Raw samples of ``starts-N``: bursts of N cold starts at once."""

    bursts: tuple[tuple[BurstStart, ...], ...]
    """Bursts in which every start succeeded, in the order of measuring; each holds its N starts."""


class PlacesMemory(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of places that were open at the same time, read from the host.

    ``None`` for a number of bytes means that it could not be read for every process; a partial sum would be wrong.
    """

    places: int
    """Number of open places; 0 before the first."""
    processes: int
    """Number of processes inside the places, VMMs included."""
    pss_bytes: int | None
    """PSS of these processes (``smaps_rollup``), which divides shared memory among those that share it."""
    cgroups_bytes: int | None
    """Memory charged to the places' cgroups; also ``None`` where they have no cgroup that counts memory."""
    attendants_bytes: int | None
    """PSS of the processes that each place adds outside of itself: a shim, a monitor, an engine's client."""
    daemons_bytes: int | None
    """PSS of the engine's daemons, which serve all places; also ``None`` where the runner has no daemons."""
    available_bytes: int
    """The host's ``MemAvailable`` at that moment."""


class DensityDetails(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="density"):
    """The ramp of ``density``: idle places opened one after the other under a memory budget."""

    budget_bytes: int
    """Memory that all places together were allowed to use."""
    stopped: str
    """Reason why no further place was opened, as a phrase for the report."""
    memory: tuple[PlacesMemory, ...]
    """Readings before the first place, at every power of two, and at the end."""
    start_seconds: tuple[float, ...]
    """Time from ``requested`` to ``ready`` of each place, in the order of opening."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a job to reach something outside its place, and the outcome."""

    name: str
    """The attempt's name, such as ``set-time``; reports translate it."""
    verdict: AttemptVerdict
    error: str
    """Name of the errno, such as ``EPERM``; empty if the attempt was not refused."""
    tried: str
    """Description of the call, for people."""


class IsolationDetails(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="isolation"):
    """Environment that ``isolation`` saw inside a place, and what the place let its jobs do to the host."""

    attempts: tuple[Attempt, ...]
    fingerprint: dict[str, str | int]
    """Facts by name, such as ``kernel.release``; a fact that the place does not show is missing. Reports list all of
    them and ask for none by name."""
    same_kernel: bool
    """True if the place runs on the host's kernel."""


class LayerSizes(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of one layer of an image: unpacked, as tar, and compressed."""

    name: str
    digest: str
    """SHA-256 of the layer's tar, as ``sha256:…``."""
    files: int
    """Number of its files."""
    size_bytes: int
    """Sum of the sizes of its files."""
    tar_bytes: int
    """Size of the uncompressed tar."""
    gzip_bytes: int
    """Size of the tar compressed with gzip, as registries keep it."""


class DiskSizes(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of a guest's root disk and of the files in it."""

    root_allocated_bytes: int
    """Disk space that the raw image takes, without its holes."""
    tree_bytes: int
    """Sum of the sizes of the files in it."""


class ImageRead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Method of counting the bytes that a start reads of its image; the metric ``deploy.read`` has their number."""

    method: str
    """Name of the method, as a phrase for the report."""
    left_before_bytes: int | None = None
    """Part of the image that was in the page cache before the start; ``None`` if the method does not use the cache."""


class DeployDetails(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="deploy"
):
    """Layers or disks by which ``deploy-PAYLOAD`` brought a new version to where it runs."""

    layers: dict[str, tuple[LayerSizes, ...]] = {}
    """Version of the payload → layers of its image, lowest first; empty if it came as a disk."""
    disks: DiskSizes | None = None
    """Sizes of the root disk; ``None`` if the version came as layers."""
    read: ImageRead | None = None
    """``None`` if the bytes that a start reads were not counted."""


class ScalingDetails(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="scaling"):
    """Comparison of ``scale-N``: many threads against one in the same place."""

    threads: Annotated[int, msgspec.Meta(ge=1)]
    """Number of threads that were compared with one."""


Details = StartsDetails | DensityDetails | IsolationDetails | DeployDetails | ScalingDetails
