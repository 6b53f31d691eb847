"""``deploy-PAYLOAD``: what it moves and takes to bring version 2 of a server to where it runs, until its first answer.

For runners whose places are made of layers: to a target that has version 1, and to an empty one. For guests: the root
disk whole (raw, qcow2), and as the difference from version 1's. Kernel and initramfs are told apart.

A trial measures each way once. Bytes are counted; delivery is from disk to disk of this host; the start is a place's,
cold, with the server as its job, until it was asked with success. What a network would add is computed in the report.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tare.bench.experiments.base import Experiment, Findings
from tare.bench.experiments.deploying import (  # fmt: skip
    BACKING,
    CACHED,
    EMPTY,
    QCOW2,
    RAW,
    DockerTarget,
    Shelf,
    blob,
    deliver_disk,
    folder,
    make_disks,
)
from tare.bench.experiments.payloads import PAYLOADS, VERSIONS, Payload
from tare.bench.measurable import Unsuitable
from tare.results.details import DeployDetails, DiskSizes, ImageRead, LayerSizes
from tare.results.record import Metric
from tare.runners.errors import Missing, PlaceFailure
from tare.runners.guests.qemu.runner import QemuRunner
from tare.runners.host import residency
from tare.runners.provision.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.experiments.base import Lab
    from tare.bench.experiments.deploying import Move
    from tare.bench.measurable import Terms
    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.model import JobResult

_SHELF = ("namespaces",)
_SOURCE = "deploy"


@dataclass(slots=True)
class _Measured:
    """What a trial has found so far."""

    metrics: list[Metric] = field(default_factory=list)
    layers: dict[str, tuple[LayerSizes, ...]] = field(default_factory=dict)
    disks: DiskSizes | None = None
    read: ImageRead | None = None
    context: dict[str, Any] = field(default_factory=dict)

    def way(self, move: Move, start_seconds: float) -> None:
        """One way's numbers."""
        times = {"deliver": move.deliver_seconds, "start": start_seconds,
                 "total": move.deliver_seconds + start_seconds}  # fmt: skip
        for name, value in times.items():
            self.metrics.append(
                Metric(name=f"deploy.{move.way}.{name}", value=value, unit="s", direction="lower",
                       clock="host-monotonic", source=_SOURCE)
            )  # fmt: skip
        for name, size in (("moved", move.moved_bytes), ("compressed", move.compressed_bytes)):
            self.bytes(f"{move.way}.{name}", size)

    def bytes(self, name: str, size: int) -> None:
        """A size; a fact, but less is better."""
        self.metrics.append(
            Metric(name=f"deploy.{name}", value=size, unit="bytes", direction="lower", source=_SOURCE)
        )


@dataclass(frozen=True, slots=True)
class Deploy(Experiment):
    """One payload."""

    payload: Payload
    family: str = "deploy"
    opt_in: bool = True
    most_blocks: int = 7

    @property
    def name(self) -> str:  # type: ignore[override]  # made of the payload's
        """``deploy-PAYLOAD``."""
        return f"deploy-{self.payload.name}"

    @property
    def summary(self) -> str:  # type: ignore[override]
        """Of the payload."""
        return f"bytes and time to bring an application's new version: {self.payload.summary}"

    def admit(self, runner: Runner, terms: Terms) -> None:
        """Runners whose images' way is known."""
        kind = runner.name.partition(":")[0]
        if terms.image:
            raise Unsuitable("deploy brings images of its own.", "Leave out --image.")
        if kind not in {*_SHELF, "docker"} and not kind.startswith("qemu-"):
            raise Unsuitable(
                "there is no deployment to be measured: nothing is brought to this runner by layers or as a disk.",
                "Take namespaces (layers without an engine), docker or a qemu runner.",
            )

        if self.payload.second_user and kind in _SHELF and os.getuid():
            raise Unsuitable(
                f"{self.payload.name} refuses to run as root, and an ordinary user's container has no other user.",
                "Run as root.",
            )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Deliveries and four starts."""
        del job_seconds
        return 5.0 + 6 * opening_seconds

    def perform(self, lab: Lab) -> Findings:
        """Each way once."""
        try:
            images = {version: self.payload.image(version, lab) for version in VERSIONS}
        except Missing as error:
            raise Unsuitable(error.reason, error.remedy) from error
        found = _Measured()
        kind = lab.runner.name.partition(":")[0]
        try:
            if kind in _SHELF:
                self._by_shelf(lab, images, found)
            elif kind == "docker":
                self._by_docker(lab, images, found)
            else:
                self._by_disk(lab, images, found)
        finally:
            lab.runner.prepare(lab.image, lab.limits)
        store = Cache(lab.context.cache)
        if kind in {*_SHELF, "docker"}:
            found.layers = {version: layer_sizes(image, store) for version, image in images.items()}
        details = DeployDetails(layers=found.layers, disks=found.disks, read=found.read)
        return Findings(metrics=tuple(found.metrics), context=found.context, details=details)

    # -- layers -----------------------------------------------------------------------------------

    def _by_shelf(self, lab: Lab, images: Mapping[str, Image], found: _Measured) -> None:
        store = Cache(lab.context.cache)
        with folder(lab) as made:
            self._warm_up(lab, images["v2"])
            for way in (EMPTY, CACHED):
                (made / way).mkdir()
                shelf = Shelf(made / way, store)
                if way == CACHED:
                    shelf.deliver(images["v1"], way)
                image, move = shelf.deliver(images["v2"], way)
                lab.runner.prepare(image, lab.limits)
                found.way(move, self._start(lab, image, found))
            self._read_share(lab, image, found)
            lab.runner.prepare(lab.image, lab.limits)  # lets go of the tree before it is removed

    def _by_docker(self, lab: Lab, images: Mapping[str, Image], found: _Measured) -> None:
        target = DockerTarget.found(lab, Cache(lab.context.cache))
        lab.runner.close()
        try:
            target.require_empty(images["v2"])
            self._warm_up(lab, images["v2"])
            lab.runner.close()
            move = target.deliver(images["v2"], (), EMPTY)
            lab.runner.prepare(images["v2"], lab.limits)
            found.way(move, self._start(lab, images["v2"], found))
            lab.runner.close()
            target.remove(images["v2"])
            target.deliver(images["v1"], (), CACHED)
            move = target.deliver(images["v2"], images["v1"].layers, CACHED)
            lab.runner.prepare(images["v2"], lab.limits)
            found.way(move, self._start(lab, images["v2"], found))
        finally:
            lab.runner.close()
            for image in images.values():
                target.remove(image)

    # -- disks ------------------------------------------------------------------------------------

    def _by_disk(self, lab: Lab, images: Mapping[str, Image], found: _Measured) -> None:
        runner = lab.runner
        if not isinstance(runner, QemuRunner):
            raise Unsuitable("only QEMU's guests can be given another root disk.")
        roots = {}
        for version, image in images.items():
            runner.prepare(image, lab.limits)
            files = runner.boot_files()
            if "root" not in files:
                raise Unsuitable(
                    "this guest has its image in the initramfs and no disk.", "Take a kernel with virtio-blk."
                )
            roots[version] = files["root"]
        for name in ("kernel", "initramfs"):
            found.bytes(name, files[name].stat().st_size)
        image = images["v2"]
        self._warm_up(lab, image)
        with folder(lab) as made:
            disks = make_disks(lab, roots["v1"], roots["v2"], made)
            for way, source in ((RAW, disks.raw), (QCOW2, disks.qcow2), (BACKING, disks.backing)):
                # The difference names its base by path, which stays where it is; so does a target's.
                here = made / f"target-{way}"
                move = deliver_disk(source, here, way, disks.compressed[way])
                runner.boot_from(here, "raw" if way == RAW else "qcow2")
                found.way(move, self._start(lab, image, found))
                if way == RAW:
                    self._read_of_disk(lab, image, move.moved_bytes, found)
            found.disks = DiskSizes(
                root_allocated_bytes=disks.raw.stat().st_blocks * 512,
                tree_bytes=sum(layer.size_bytes for layer in image.layers),
            )

    # -- starts -----------------------------------------------------------------------------------

    def _warm_up(self, lab: Lab, image: Image) -> None:
        """Start once, untimed: else the first way alone would pay for the cold caches of kernel, engine and VMM."""
        lab.runner.prepare(image, lab.limits)
        self._start(lab, image, _Measured())

    def _start(self, lab: Lab, image: Image, found: _Measured) -> float:
        """Seconds from the launch of a place until the server in it was asked with success."""
        job = self.payload.job(image, "/", free_port(), "/scratch")
        with lab.runner.open(first=job) as place:
            result = place.run(job)
        self._check(result)
        found.context |= place.context
        return (place.timeline["finished"] - place.timeline["requested"]) / 1e9

    def _read_share(self, lab: Lab, image: Image, found: _Measured) -> None:
        """Of the image's bytes, those that a start reads: page cache before and after. The start is not timed."""
        residency.evict(image.tree)
        before = residency.resident_bytes(image.tree)
        self._start(lab, image, found)
        after = residency.resident_bytes(image.tree)
        total = sum(layer.size_bytes for layer in image.layers)
        found.bytes("image", total)
        found.bytes("read", after - before)
        method = "page cache (mincore), read-ahead included"
        found.read = ImageRead(method=method, left_before_bytes=before)

    def _read_of_disk(self, lab: Lab, image: Image, total: int, found: _Measured) -> None:
        """The same for a guest's disk, as QEMU's block layer counts it."""
        job = self.payload.job(image, "/", free_port(), "/scratch")
        with lab.runner.open() as place:
            self._check(place.run(job))
            monitor = place.vantage.monitor
            if monitor is None:
                return
            stats = {
                each.get("device") or each.get("qdev", ""): each for each in monitor("query-blockstats", {})
            }
        root = next((each for name, each in stats.items() if "root" in name), None)
        if root is not None:
            found.bytes("image", total)
            found.bytes("read", root["stats"]["rd_bytes"])
            found.read = ImageRead(method="reads of the root disk (QEMU's blockstats)")

    def _check(self, result: JobResult) -> None:
        said = result.stdout.decode("utf-8", "replace").strip()
        if result.exit_code != 0 or said != self.payload.answer("v2"):
            log = result.stderr.decode("utf-8", "replace")
            what = result.error or f"exit status {result.exit_code}, answer {said!r}"
            raise PlaceFailure(
                f"the server of {self.payload.name} did not answer as version 2: {what}", log=log
            )


def layer_sizes(image: Image, store: Cache) -> tuple[LayerSizes, ...]:
    """Return the sizes of an image's layers, lowest first: files, tar, gzip."""
    return tuple(
        LayerSizes(
            name=layer.name,
            digest=layer.digest,
            files=layer.files,
            size_bytes=layer.size_bytes,
            tar_bytes=layer.tar_bytes,
            gzip_bytes=blob(layer, store).stat().st_size,
        )
        for layer in image.layers
    )


def free_port() -> int:
    """A TCP port that nobody has on this host now: places may share its network."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


DEPLOYS = tuple(Deploy(payload) for payload in PAYLOADS)
