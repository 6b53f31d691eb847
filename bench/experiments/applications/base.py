"""Measure an application: a server in a place, its clients on the host, on other CPUs.

One trial opens a place, starts the server as a service of it, waits until it takes connections, warms it up, and then
measures twice: the largest throughput, by the tool that people use for that server, and latencies at a fixed load, which
is the same for every runner, by :mod:`tare.bench.experiments.applications.load`. Guests under TCG are some ten times
slower and would only queue at a load that says something of the others, so they are measured at the maximum alone.

The image has the server and its tool from the distribution's packages. It is the application's own, so that nothing of it
is fetched for runs without it. Bare metal runs the same bytes.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tare.bench.experiments.applications import load
from tare.bench.experiments.applications.cpus import keep_apart, split_cpus
from tare.bench.experiments.base import Experiment, Findings
from tare.bench.experiments.connected import connected_runner, telling
from tare.bench.experiments.payloads import written
from tare.bench.experiments.serving import serving
from tare.bench.measurable import Unsuitable, allowed_cpus
from tare.bench.workloads.base import metric
from tare.results.record import Metric
from tare.results.said import say
from tare.runners.errors import Missing, TareError
from tare.runners.images.build import build_image
from tare.runners.images.recipe import ImageContent
from tare.runners.inside import image_files
from tare.runners.model import Job
from tare.runners.provision.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tare.bench.experiments.applications.load import Load
    from tare.bench.experiments.base import Lab
    from tare.bench.experiments.serving import Address, Served, Server
    from tare.bench.measurable import FromMode, Terms
    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.model import JobResult

TOOL_SECONDS = 1.0
"""Length of a measurement at the maximum."""
EMULATED_FACTOR = 4
"""Factor by which measurements at the maximum are longer for servers in guests under TCG."""
LOAD_SECONDS = 2.0
"""Length of a measurement at the fixed load."""
TOOL_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """A server that is ready, as an application measures it."""

    served: Served
    image: Image
    emulated: bool
    """The server is in a guest under TCG."""

    @property
    def at(self) -> Address:
        """Address of the server as its clients see it."""
        return self.served.at

    def seconds(self, usual: float) -> float:
        """Return the length of a measurement at the maximum: longer for servers under TCG, whose answers are late."""
        return usual * EMULATED_FACTOR if self.emulated else usual

    def tool(self, name: str, *arguments: str, directory: str = "") -> JobResult:
        """Run a program of the image as a client.

        Raises:
            TareError: it failed.
        """
        root = self.served.client.root
        argv = self.image.argv(root, name, *arguments)
        return self.job(name, argv, self.image.environ(root, name), directory)

    def shell(self, script: str) -> JobResult:
        """Run a script of the image's shell as a client, in its scratch folder; raises as :meth:`tool`."""
        client = self.served.client
        argv = self.image.argv(client.root, "busybox", "sh", "-c", script)
        return self.job("sh", argv, self.image.environ(client.root), client.scratch)

    def job(self, name: str, argv: tuple[str, ...], environ: Mapping[str, str], directory: str) -> JobResult:
        """Run a command as a client; raises as :meth:`tool`."""
        job = Job(argv, environ, directory=directory or "/", timeout_seconds=TOOL_TIMEOUT_SECONDS)
        result = self.served.run(job)
        if result.timed_out:
            raise TareError(
                say(
                    "tool.slow",
                    "{name} did not end within {tool_timeout_seconds} s",
                    name=name,
                    tool_timeout_seconds=f"{TOOL_TIMEOUT_SECONDS:g}",
                )
            )
        if result.error or result.exit_code != 0:
            said = (result.stderr or result.stdout).decode("utf-8", "replace").strip()[-300:]
            raise TareError(
                say(
                    "tool.failed",
                    "{name} failed: {error}",
                    name=name,
                    error=result.error or said or result.exit_code,
                )
            )
        return result

    def offer(self, one: Load) -> dict[str, int]:
        """Offer a load; raises :class:`TareError` if it cannot be offered or a request fails."""
        return load.answer(self.served.run(one.job(self.served.client, self.at)))


@dataclass(frozen=True, slots=True)
class Application(Experiment):
    """Base of all applications; an application is a frozen dataclass with these fields and methods."""

    name: str
    summary: str
    packed: tuple[str, ...]
    """Programs of its image: the server, its tool, and what they need."""
    rate: int
    """Requests per second of the fixed load."""
    family: str = "apps"
    from_mode: FromMode = "rigorous"
    second_user: bool = False
    """The server refuses to run as root."""
    on_tcg: bool = True
    """It is measured in guests under TCG."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the fixed load, by which latencies differ."""
        return {"load_per_second": self.rate}

    def admit(self, runner: Runner, terms: Terms) -> None:
        """Refuse images made elsewhere, what is too slow under TCG, and places without another user than root."""
        if terms.image:
            raise Unsuitable(
                say("apps.own_image", "{name} brings an image of its own.", name=self.name),
                say("remedy.no_image", "Leave out --image."),
            )
        if runner.accelerator == "tcg" and not self.on_tcg:
            raise Unsuitable(
                say(
                    "apps.emulated",
                    "{name} takes minutes in a guest whose instructions are emulated (TCG).",
                    name=self.name,
                ),
                say("remedy.kvm", "Measure it where KVM works."),
            )
        kind = runner.name.partition(":")[0]
        if (
            self.second_user
            and os.getuid()
            and kind not in {"bare", "docker", "podman"}
            and runner.accelerator == "none"
        ):
            raise Unsuitable(
                say(
                    "second_user",
                    "{name} refuses to run as root, and an ordinary user's container has no other user.",
                    name=self.name,
                ),
                say("remedy.root", "Run as root."),
            )  # fmt: skip

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Allow for a place, both measurements and the warm-up."""
        del job_seconds
        return opening_seconds + TOOL_SECONDS + LOAD_SECONDS + 1.0

    def perform(self, lab: Lab) -> Findings:
        """Open a place, start the server and measure it."""
        try:
            image = lab.siblings.image(self, lambda: self._image(lab)) if lab.siblings else self._image(lab)
            server_limits, client_limits = split_cpus(lab.limits, allowed_cpus(lab.limits))
            runner, refusals = connected_runner(lab, image, server_limits)
        except Missing as error:
            raise Unsuitable(error.reason, error.remedy, lasting=True) from error
        lab = replace(lab, runner=runner, image=image, limits=server_limits)
        served_apart = serving(lab, self.server(), "host", client_limits=client_limits)
        with telling(refusals), served_apart as served:
            apart = keep_apart(served.place, served.client, server_limits, client_limits)
            session = Session(served, image, runner.accelerator == "tcg")
            metrics = tuple(self.measure(session))
            context = {**served.place.context, "client_cpus": apart}
            ready = Metric(
                name="app.ready", value=served.ready_seconds, unit="s", direction="lower",
                clock="host-monotonic", source="tare",
            )  # fmt: skip
        return Findings(metrics=(*metrics, ready), context=context)

    @abstractmethod
    def server(self) -> Server:
        """Describe the server program of this application."""

    @abstractmethod
    def measure(self, session: Session) -> Iterable[Metric]:
        """Warm the server up, and measure it at the maximum and, unless it is emulated, at the fixed load."""

    def configuration(self) -> Mapping[str, bytes]:
        """Return files of the image besides its programs: path → content."""
        return {}

    def layers(self, lab: Lab) -> tuple[tuple[str, Mapping[str, Path]], ...]:
        """Return further layers of the image: name → files."""
        del lab
        return ()

    def at_fixed_load(self, session: Session, one: Load) -> tuple[Metric, ...]:
        """Offer the fixed load; nothing where the server is emulated."""
        return () if session.emulated else load.open_metrics(session.offer(one))

    def _image(self, lab: Lab) -> Image:
        cache = lab.context.cache
        own = {
            **written(self.configuration(), Cache(cache, lab.say)),
            **load.files(cache),
            **image_files(cache),
        }
        content = ImageContent(
            programs=tuple(dict.fromkeys(("busybox", *self.packed))),
            layers=(
                *self.layers(lab),
                ("application", {path.lstrip("/"): file for path, file in own.items()}),
            ),
        )
        return build_image(content, lab.provision, cache, progress=lab.say)


def maximum(
    rate: float, p50: float | None, p99: float | None, source: str, samples: int
) -> tuple[Metric, ...]:
    """Return the metrics of a tool's measurement at the maximum; the rate is judged. ``None``: the tool tells it not."""
    points = {"p50": p50, "p99": p99}
    return (
        metric("app.max.rate", rate, "ops/s", "higher", source, primary=True, samples=samples),
        *(
            metric(f"app.max.{name}", value, "s", "lower", source, samples=samples)
            for name, value in points.items()
            if value is not None
        ),
    )
