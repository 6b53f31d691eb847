"""``deploy-PAYLOAD``: measure bytes and time to deploy version 2 of a server, until its first answer.

Runners whose places are made of layers get the image on a target that has version 1, and on an empty one. Guests get
the root disk whole (raw, qcow2), and as the difference from version 1's; kernel and initramfs are counted separately.

A trial measures each way once. Bytes are counted; delivery is from disk to disk of this host; the start is the cold
start of a place with the server as its job, until it has answered. The report computes what a network would add.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tare.bench.experiments.base import Experiment, Findings
from tare.bench.experiments.delivery import (
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
from tare.results.said import say
from tare.runners.errors import Missing, PlaceFailure
from tare.runners.guests.qemu.runner import QemuRunner
from tare.runners.host import residency
from tare.runners.places.endpoint import free_port
from tare.runners.provision.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.experiments.base import Lab
    from tare.bench.experiments.delivery import Move
    from tare.bench.measurable import FromMode, Terms
    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.model import JobResult

_SHELF = ("namespaces",)
"""Kinds of runners that are deployed to by layers without an engine."""
_SOURCE = "deploy"


@dataclass(slots=True)
class _Found:
    """Everything that a trial has found so far."""

    metrics: list[Metric] = field(default_factory=list)
    layers: dict[str, tuple[LayerSizes, ...]] = field(default_factory=dict)
    disks: DiskSizes | None = None
    read: ImageRead | None = None
    context: dict[str, Any] = field(default_factory=dict)

    def way(self, move: Move, start_seconds: float) -> None:
        """Add the metrics of one way."""
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
        """Add a size, of which less is better."""
        self.metrics.append(
            Metric(name=f"deploy.{name}", value=size, unit="bytes", direction="lower", source=_SOURCE)
        )


@dataclass(frozen=True, slots=True)
class Deploy(Experiment):
    """Deploy one payload in every way that the runner knows."""

    payload: Payload
    family: str = "deploy"
    from_mode: FromMode = "named"
    most_blocks: int = 7

    @property
    def name(self) -> str:  # type: ignore[override]  # made of the payload's
        """Return ``deploy-`` and the payload's name."""
        return f"deploy-{self.payload.name}"

    @property
    def summary(self) -> str:  # type: ignore[override]
        """Return one line that names the payload."""
        return say(
            "workload.deploy", "bytes and time to bring an application's new version: {payload}",
            payload=self.payload.summary,
        )  # fmt: skip

    def admit(self, runner: Runner, terms: Terms) -> None:
        """Refuse runners to which no way is known, and images made elsewhere."""
        kind = runner.name.partition(":")[0]
        if terms.image:
            raise Unsuitable(
                say("deploy.own_images", "deploy brings images of its own."),
                say("remedy.no_image", "Leave out --image."),
            )
        if kind not in {*_SHELF, "docker"} and not kind.startswith("qemu-"):
            raise Unsuitable(
                say(
                    "deploy.no_way",
                    "no deployment can be measured: nothing is delivered to this runner as layers or as a disk.",
                ),
                say(
                    "deploy.use_others", "Use namespaces (layers without an engine), docker or a qemu runner."
                ),
            )

        if self.payload.second_user and kind in _SHELF and os.getuid():
            raise Unsuitable(
                say(
                    "second_user",
                    "{name} refuses to run as root, and an ordinary user's container has no other user.",
                    name=self.payload.name,
                ),
                say("remedy.root", "Run as root."),
            )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Allow for the deliveries and the starts, warm-up included."""
        del job_seconds
        return 5.0 + 6 * opening_seconds

    def perform(self, lab: Lab) -> Findings:
        """Deploy version 2 once in each way."""
        try:
            images = {version: self.payload.image(version, lab) for version in VERSIONS}
        except Missing as error:
            raise Unsuitable(error.reason, error.remedy) from error
        found = _Found()
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

    def _by_shelf(self, lab: Lab, images: Mapping[str, Image], found: _Found) -> None:
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
            lab.runner.prepare(lab.image, lab.limits)  # releases the tree before it is removed

    def _by_docker(self, lab: Lab, images: Mapping[str, Image], found: _Found) -> None:
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

    def _by_disk(self, lab: Lab, images: Mapping[str, Image], found: _Found) -> None:
        runner = lab.runner
        if not isinstance(runner, QemuRunner):
            raise Unsuitable(say("deploy.only_qemu", "only QEMU's guests can be given another root disk."))
        roots = {}
        for version, image in images.items():
            runner.prepare(image, lab.limits)
            files = runner.boot_files()
            if "root" not in files:
                raise Unsuitable(
                    say("deploy.no_disk", "this guest has its image in the initramfs and no disk."),
                    say("remedy.virtio_blk", "Use a kernel with virtio-blk."),
                )
            roots[version] = files["root"]
        for name in ("kernel", "initramfs"):
            found.bytes(name, files[name].stat().st_size)
        image = images["v2"]
        self._warm_up(lab, image)
        with folder(lab) as made:
            disks = make_disks(lab, roots["v1"], roots["v2"], made)
            for way, source in ((RAW, disks.raw), (QCOW2, disks.qcow2), (BACKING, disks.backing)):
                # The difference names its base by path, and the base stays where it is, as it would on a target.
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
        """Start once, untimed, so that the first way alone does not pay for cold caches of kernel, engine and VMM."""
        lab.runner.prepare(image, lab.limits)
        self._start(lab, image, _Found())

    def _start(self, lab: Lab, image: Image, found: _Found) -> float:
        """Launch a place with the server as its job; return the seconds until the server has answered."""
        job = self.payload.job(image, "/", free_port(), "/scratch")
        with lab.runner.open(first=job) as place:
            result = place.run(job)
        self._check(result)
        found.context |= place.context
        return (place.timeline["finished"] - place.timeline["requested"]) / 1e9

    def _read_share(self, lab: Lab, image: Image, found: _Found) -> None:
        """Count the image's bytes that a start reads, by the page cache before and after. The start is not timed."""
        residency.evict(image.tree)
        before = residency.resident_bytes(image.tree)
        self._start(lab, image, found)
        after = residency.resident_bytes(image.tree)
        total = sum(layer.size_bytes for layer in image.layers)
        found.bytes("image", total)
        found.bytes("read", after - before)
        method = say("deploy.by_cache", "page cache (mincore), read-ahead included")
        found.read = ImageRead(method=method, left_before_bytes=before)

    def _read_of_disk(self, lab: Lab, image: Image, total: int, found: _Found) -> None:
        """Count the bytes of a guest's disk that a start reads, as QEMU's block layer counts them."""
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
            found.read = ImageRead(method=say("deploy.by_disk", "reads of the root disk (QEMU's blockstats)"))

    def _check(self, result: JobResult) -> None:
        said = result.stdout.decode("utf-8", "replace").strip()
        if result.exit_code != 0 or said != self.payload.answer("v2"):
            log = result.stderr.decode("utf-8", "replace")
            what = result.error or say(
                "deploy.answer",
                "exit status {code}, answer {answer}",
                code=result.exit_code,
                answer=repr(said),
            )
            raise PlaceFailure(
                say(
                    "deploy.wrong_version",
                    "the server of {name} did not answer as version 2: {what}",
                    name=self.payload.name,
                    what=what,
                ),
                log=log,
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


DEPLOYS = tuple(Deploy(payload) for payload in PAYLOADS)
