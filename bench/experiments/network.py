"""``net-latency`` and ``net-stream``: measure TCP between a job and its host.

These are experiments because they need a second program outside of the place: a server in the host's network
namespace, or in the one that has the host's side of a private bridge. Both ends are ``tare-inside``
(:mod:`tare.runners.inside.net`), the same bytes everywhere.

*latency* sends one byte and waits for it to come back, as netperf's TCP_RR does, one at a time and without Nagle's
delay: mostly the path's fixed costs. *stream* sends 128 KiB at a time in one direction and then in the other; it ends
when the last byte has been counted at the receiver. On loopback no packet is cut to a wire's size, so streams there
depend on memory and offloads, and round trips say more about a network's path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.experiments.base import Experiment, Findings
from tare.bench.measurable import Unsuitable
from tare.bench.workloads.base import amount, cap_seconds, job_timeout, metric
from tare.runners.inside import image_files, net

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.bench.experiments.base import Lab
    from tare.results.record import Metric
    from tare.runners.model import Place

TRIPS_PER_SECOND = 30_000
"""Rate that an ordinary path reaches; the number of round trips is chosen by it."""
BYTES_PER_SECOND = 1_000_000_000
"""Rate that an ordinary path reaches; the number of bytes is chosen by it."""
MOST_TRIPS = 100_000


@dataclass(frozen=True, slots=True)
class Network(Experiment):
    """Base of both: a place, a server beside it and the place's jobs."""

    family: str = "network"

    def files(self, cache: Path) -> Mapping[str, Path]:
        """Carry the program that is both ends."""
        return image_files(cache)

    def perform(self, lab: Lab) -> Findings:
        """Open a place, start a server beside it and run the jobs."""
        with lab.runner.open() as place:
            context = dict(place.context)
            if place.host_address is None:
                raise Unsuitable(
                    f"{lab.runner.label} has no network here, so net-* cannot run.",
                    "measure a variant with a network: namespaces:+net-bridge, docker:bridge, qemu-microvm:net=user, …",
                    lasting=True,
                )
            with net.server(lab.context, lab.image, place.host_address, place.host_network) as port:
                metrics = self.measure(place, port, lab.job_seconds)
            return Findings(metrics=metrics, context=context)

    def measure(self, place: Place, port: int, seconds: float) -> tuple[Metric, ...]:
        """Run the jobs in the place against the server at ``port``, for about so many seconds each."""
        raise NotImplementedError


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

    def measure(self, place: Place, port: int, seconds: float) -> tuple[Metric, ...]:
        """Return rate, median and tail of the round trips."""
        trips = min(amount(TRIPS_PER_SECOND, seconds), MOST_TRIPS)
        job = net.job(place, "latency", port, trips, cap_seconds(seconds), job_timeout(seconds))
        found = net.answer("latency", place.run(job))
        n = found["round_trips"]
        rate = n / found["elapsed_ns"] * 1e9
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
                for point in ("p50", "p99", "max")
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

    def measure(self, place: Place, port: int, seconds: float) -> tuple[Metric, ...]:
        """Measure both directions; the one from place to host is judged."""
        metrics = []
        for kind in ("out", "in"):
            size = amount(BYTES_PER_SECOND, seconds)
            job = net.job(place, kind, port, size, cap_seconds(seconds), job_timeout(seconds))
            found = net.answer(kind, place.run(job))
            metrics.append(
                metric(
                    f"net.stream.{kind}", found["arrived_bytes"] / found["elapsed_ns"] * 1e9, "bytes/s", "higher",
                    "tare-inside", primary=kind == "out",
                )
            )  # fmt: skip
        return tuple(metrics)
