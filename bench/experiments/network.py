"""``net-latency`` and ``net-stream``: measure TCP between a job and its host, or within a place.

These are experiments because they need a second program outside of the place: a server in the host's network
namespace, or in the one that has the host's side of a private bridge. Both ends are ``tare-inside``
(:mod:`tare.runners.inside.net`), the same bytes everywhere.

Each runner is measured over a network that it has. Where its places have none, as those of ``namespaces`` and of QEMU's
plain profiles, a runner of the same places with one is made beside it (:mod:`tare.bench.experiments.connected`). The
trial's context says which network it was. Where no network is to be had, as for ``bubblewrap``, the server is in the place,
and its client on the host enters the place's network namespace.

*latency* sends one byte and waits for it to come back, as netperf's TCP_RR does, one at a time and without Nagle's
delay: mostly the path's fixed costs. *stream* sends 128 KiB at a time in one direction and then in the other; it ends
when the last byte has been counted at the receiver. On loopback no packet is cut to a wire's size, so streams there
depend on memory and offloads, and round trips say more about a network's path.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from tare.bench.experiments.base import Experiment, Findings
from tare.bench.experiments.connected import connected_runner
from tare.bench.experiments.serving import Readiness, Server, serving
from tare.bench.measurable import Unsuitable
from tare.bench.workloads.base import amount, cap_seconds, job_timeout, metric
from tare.results.said import joined, say
from tare.runners.inside import image_files, net

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tare.bench.experiments.base import Lab
    from tare.bench.experiments.serving import Where
    from tare.bench.measurable import FromMode
    from tare.results.record import Metric
    from tare.runners.inside.net import Kind
    from tare.runners.model import Job, Place

    Client = Callable[[Place, Kind, net.Amount], Job]

Ends = Literal["host", "within", "places"]
"""Position of the other end: on the host, in the same place, or in another place of the same runner."""

TRIPS_PER_SECOND = 30_000
"""Rate that an ordinary path reaches; the number of round trips is chosen by it."""
BYTES_PER_SECOND = 1_000_000_000
"""Rate that an ordinary path reaches; the number of bytes is chosen by it."""
MOST_TRIPS = 100_000


SERVER = Server(
    lambda at: net.serving_job(at.site.root, at.listen, at.port),
    # It serves one connection after the other, and trying one would be the first.
    Readiness("line", pattern=r"^\S+ \d+$"),
)
LEAST_TRIPS_FOR_THOUSANDTHS = 1000
"""Round trips below which the 99.9th percentile is the largest value, and not told."""


@dataclass(frozen=True, slots=True)
class Network(Experiment):
    """Base of both: a place, the other end of the connection, and the place's jobs."""

    ends: Ends = "host"
    family: str = "network"
    from_mode: FromMode = "quick"

    def files(self, cache: Path) -> Mapping[str, Path]:
        """Carry the program that is both ends."""
        return image_files(cache)

    def perform(self, lab: Lab) -> Findings:
        """Open a place, provide the other end and run the jobs."""
        ways = {"host": self._to_host, "within": self._within, "places": self._between}
        return ways[self.ends](lab)

    def _within(self, lab: Lab) -> Findings:
        with lab.runner.open() as place:
            metrics = self.measure(place, net.loopback_job, lab.job_seconds)
            return Findings(metrics=metrics, context={**place.context, "network": "loopback of the place"})

    def _to_host(self, lab: Lab) -> Findings:
        runner, refusals = connected_runner(lab)
        with runner.open() as place:
            address = place.host_address
            if address is not None:
                with net.server(lab.context, lab.image, address, place.host_network) as port:
                    client: Client = lambda one, kind, work: net.job(one, kind, (address, port), work)  # noqa: E731
                    metrics = self.measure(place, client, lab.job_seconds)
                return Findings(metrics=metrics, context=dict(place.context))
        return self._served(replace(lab, runner=runner), "host", refusals)

    def _between(self, lab: Lab) -> Findings:
        runner, refusals = connected_runner(lab)
        return self._served(replace(lab, runner=runner), "other", refusals)

    def _served(self, lab: Lab, where: Where, refusals: str) -> Findings:
        """Run the server in a place, and the client in another or, where places have no way out, on the host."""
        try:
            with serving(lab, SERVER, where) as served:
                address = served.at.address, served.at.port
                client: Client = lambda one, kind, work: net.job(one, kind, address, work)  # noqa: E731
                metrics = self.measure(served.client, client, lab.job_seconds)
                context = dict(served.place.context)
                if where == "host":
                    context["network"] = say(
                        "network.entered",
                        "{network}, entered by the client",
                        network=served.client.context["network"],
                    )
                return Findings(metrics=metrics, context=context)
        except Unsuitable as error:
            raise Unsuitable(
                say(
                    "services.no_network", "{label} has no network here, so {workload} cannot run: {why}",
                    label=lab.runner.label, workload=self.name, why=joined(error.reason, refusals),
                ),
                error.remedy, lasting=True,
            ) from error  # fmt: skip

    @abstractmethod
    def measure(self, place: Place, client: Client, seconds: float) -> tuple[Metric, ...]:
        """Run the client's jobs in the place, for about so many seconds each."""


@dataclass(frozen=True, slots=True)
class Latency(Network):
    """Measure round trips of one byte."""

    name: str = "net-latency"
    summary: str = "TCP round trips of one byte between place and host, one at a time"

    @property
    def parameters(self) -> Mapping[str, int]:
        """Return the size of request and of response."""
        return {"bytes": 1}

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Allow for a place and one job."""
        return opening_seconds + job_seconds + 0.05

    def measure(self, place: Place, client: Client, seconds: float) -> tuple[Metric, ...]:
        """Return rate, median and tail of the round trips."""
        trips = min(amount(TRIPS_PER_SECOND, seconds), MOST_TRIPS)
        work = net.Amount(trips, cap_seconds(seconds), job_timeout(seconds))
        found = net.answer("latency", place.run(client(place, "latency", work)))
        n = found["round_trips"]
        rate = n / found["elapsed_ns"] * 1e9
        points = ("p50", "p99", *(("p999",) if n >= LEAST_TRIPS_FOR_THOUSANDTHS else ()), "max")
        return (
            metric(
                "net.round_trips.rate", rate, "ops/s", "higher", "tare-inside",
                primary=True, samples=n,
            ),
            *(
                metric(
                    f"net.round_trip.{point}", found[f"{point}_ns"] / 1e9, "s", "lower", "tare-inside",
                    samples=n,
                )
                for point in points
            ),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stream(Network):
    """Measure throughput in one direction, then in the other."""

    name: str = "net-stream"
    summary: str = "bytes per second over one TCP connection, from the place to the host and back"

    @property
    def parameters(self) -> Mapping[str, int]:
        """Return the bytes in one system call."""
        return {"chunk": 128 << 10}

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Allow for a place and two jobs."""
        return opening_seconds + 2 * job_seconds + 0.05

    def measure(self, place: Place, client: Client, seconds: float) -> tuple[Metric, ...]:
        """Measure both directions; the one out of the job is judged."""
        metrics = []
        kinds: tuple[Literal["out", "in"], ...] = ("out", "in")
        for kind in kinds:
            work = net.Amount(amount(BYTES_PER_SECOND, seconds), cap_seconds(seconds), job_timeout(seconds))
            found = net.answer(kind, place.run(client(place, kind, work)))
            metrics.append(
                metric(
                    f"net.stream.{kind}", found["arrived_bytes"] / found["elapsed_ns"] * 1e9, "bytes/s", "higher",
                    "tare-inside", primary=kind == "out",
                )
            )  # fmt: skip
        return tuple(metrics)


NETWORKS = (
    Latency(),
    Stream(),
    Latency(
        ends="places",
        from_mode="rigorous",
        name="net-latency-places",
        summary="TCP round trips of one byte between jobs of two places of the same runner",
    ),
    Stream(
        ends="places",
        from_mode="rigorous",
        name="net-stream-places",
        summary="bytes per second between jobs of two places of the same runner, out of one and into it",
    ),
    Latency(
        ends="within",
        from_mode="rigorous",
        name="net-latency-loopback",
        summary="TCP round trips of one byte between two processes of one place, over its loopback interface",
    ),
    Stream(
        ends="within",
        from_mode="rigorous",
        name="net-stream-loopback",
        summary="bytes per second between two processes of one place, over its loopback interface, out of one and into it",
    ),
)
