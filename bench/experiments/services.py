"""``services-*``: measure one small application as one process, as three services in one place, and in three places.

One trial opens the application (:mod:`tare.bench.experiments.shop`) and measures it from the host as the applications are:
the most that 16 connections get, and latencies at a fixed open load. Then, where there are services:

*hop*      the time that one more service on the way of a request adds, from requests that nobody works on.
*replica*  the time until a further worker is asked by the front, from the decision to add one. In one process, the
           time until a second copy of the whole answers in a place of its own; nothing in front shares the load out.
*replace*  a worker is replaced under the fixed load: a new one is started, the front is told to use it and to drop the old
           one, which is stopped when it has answered all that it was asked. Every request is counted by the client, and by
           both workers: the trial fails unless both counts agree. One process has nothing that could replace it.

Guests under TCG are some ten times slower: there, the fixed load and the replacement are left out, as with the applications.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from tare.bench.experiments import crowd, shop
from tare.bench.experiments.applications import load
from tare.bench.experiments.applications.cpus import split_cpus
from tare.bench.experiments.applications.load import Load
from tare.bench.experiments.base import Experiment, Findings
from tare.bench.experiments.connected import connected_runner, telling
from tare.bench.experiments.serving import as_service
from tare.bench.experiments.shop import Shape, Shop, open_shop
from tare.bench.measurable import Unsuitable, allowed_cpus
from tare.bench.workloads.base import metric
from tare.results.record import Metric
from tare.results.said import say
from tare.runners.errors import Missing, TareError
from tare.runners.inside import image_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tare.bench.experiments.base import Lab
    from tare.bench.measurable import FromMode, Terms
    from tare.runners.context import Runner
    from tare.runners.model import Service

CONNECTIONS = 16
RATE = 1000
"""Requests per second of the fixed load."""
MAXIMUM_SECONDS = 0.5
EMULATED_FACTOR = 4
"""Factor by which measurements at the maximum are longer in guests under TCG."""
LOAD_SECONDS = 1.0
HOP_SECONDS = 0.1
HOP_ROUNDS = 2
"""Pairs of measurements, without hops and with two."""
_LEAST_REPLACE_SECONDS, _MOST_REPLACE_SECONDS = 1.0, 30.0
_REPLACE_FACTOR = 3
"""Length of the load while a worker is replaced, relative to the time that adding one took."""
_LATE_SECONDS = 20.0
"""Time for the load's client to end beyond the length of its load."""

_PLACES: Mapping[Shape, int] = {"one": 2, "place": 1, "places": 4}
"""Places at once in each shape, at most."""


@dataclass(frozen=True, slots=True)
class Services(Experiment):
    """Measure the application in one shape."""

    shape: Shape
    name: str
    summary: str
    family: str = "services"
    from_mode: FromMode = "rigorous"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the fixed load, by which latencies differ."""
        return {"load_per_second": RATE}

    def files(self, cache: Path) -> Mapping[str, Path]:
        """Carry the application, and the program that offers the load."""
        return {**image_files(cache), **load.files(cache), **shop.files(cache)}

    def admit(self, runner: Runner, terms: Terms) -> None:
        """Refuse more places at once than memory allows."""
        needed = _PLACES[self.shape] * crowd.place_bytes(runner, terms.limits)
        budget = crowd.budget_bytes(terms.crowd)
        if needed > budget:
            raise Unsuitable(
                say(
                    "services.memory",
                    "{count} places at once need {needed}, and the budget is {budget}.",
                    count=_PLACES[self.shape],
                    needed=crowd.mib(needed),
                    budget=crowd.mib(budget),
                ),
                say("remedy.memory_budget", "give a larger --memory-budget, or a smaller --memory to guests"),
            )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Allow for the places, and all measurements."""
        del job_seconds
        several = 0.0 if self.shape == "one" else 2 * HOP_ROUNDS * HOP_SECONDS + _LEAST_REPLACE_SECONDS
        return (_PLACES[self.shape] + 1) * opening_seconds + MAXIMUM_SECONDS + LOAD_SECONDS + several + 1.0

    def perform(self, lab: Lab) -> Findings:
        """Open the application and measure it."""
        server_limits, client_limits = split_cpus(lab.limits, allowed_cpus(lab.limits))
        try:
            runner, refusals = connected_runner(lab, lab.image, server_limits)
        except Missing as error:
            raise Unsuitable(error.reason, error.remedy, lasting=True) from error
        lab = msgspec.structs.replace(lab, runner=runner, limits=server_limits)
        with telling(refusals), open_shop(lab, self.shape, client_limits) as opened:
            found = tuple(_measure(opened, emulated=runner.accelerator == "tcg"))
            context = {**opened.front.place.context, "client_cpus": opened.cpus}
        return Findings(metrics=found, context=context)


def _measure(opened: Shop, *, emulated: bool) -> Iterator[Metric]:
    """Measure an application that is open, in every way that its shape has."""
    factor = EMULATED_FACTOR if emulated else 1
    most = _orders(0, MAXIMUM_SECONDS * factor)
    yield from load.closed_metrics(_offer(opened, replace(most, warmup_seconds=0.2 * factor)))
    if not emulated:
        yield from load.open_metrics(_offer(opened, _orders(RATE, LOAD_SECONDS)))
    if opened.shape == "one":
        began = time.monotonic()
        opened.start_whole()
        yield _duration("replica", time.monotonic() - began)
        return
    yield _hop(opened, factor)
    replica_seconds = _add_replica(opened)
    yield _duration("replica", replica_seconds)
    if not emulated:
        yield from _replace_worker(opened, replica_seconds)


def _orders(rate: int, seconds: float) -> Load:
    return Load("http", "GET /item/7 HTTP/1.1\r\nHost: shop\r\n\r\n", rate, CONNECTIONS, seconds)


def _offer(opened: Shop, one: Load) -> dict[str, int]:
    return load.answer(opened.client.run(one.job(opened.client, opened.at)))


def _hop(opened: Shop, factor: int) -> Metric:
    """Return the time that one service more adds: half of what two add, by medians of requests one at a time."""
    medians: dict[int, list[int]] = {0: [], 2: []}
    n = 0
    for _ in range(HOP_ROUNDS):
        for hops, found in medians.items():
            request = f"GET /hop/{hops} HTTP/1.1\r\nHost: shop\r\n\r\n"
            told = _offer(opened, Load("http", request, 0, 1, HOP_SECONDS * factor, 0.02 * factor))
            found.append(told["p50_ns"])
            n += told["answered"]
    added = (sum(medians[2]) - sum(medians[0])) / HOP_ROUNDS / 2
    return metric("services.hop", added / 1e9, "s", "lower", load.SOURCE_NAME, samples=n)


def _add_replica(opened: Shop) -> float:
    """Add a worker, see that it is asked, and take it away again; return the seconds until it was in use."""
    began = time.monotonic()
    added = opened.start_worker()
    opened.use(added)
    seconds = time.monotonic() - began
    for _ in range(2):  # they take turns
        opened.ask("/item/1")
    if not opened.served(added):
        raise TareError(say("services.no_order", "the worker that was added got no order"))
    opened.drop(added)
    opened.stop(added)
    return seconds


def _replace_worker(opened: Shop, replica_seconds: float) -> Iterator[Metric]:
    """Replace the worker while the fixed load is offered; tell how long it took and what became of the requests."""
    seconds = min(max(_REPLACE_FACTOR * replica_seconds, _LEAST_REPLACE_SECONDS), _MOST_REPLACE_SECONDS)
    old, before = opened.worker, opened.served(opened.worker)
    offered = replace(_orders(RATE, seconds), warmup_seconds=0)
    running = opened.client.start(as_service(offered.job(opened.client, opened.at)))
    try:
        _wait_for_orders(opened, before, running)
        began = time.monotonic()
        new = opened.start_worker()
        opened.use(new)
        opened.drop(old)
        by_old = opened.served(old) - before
        opened.stop(old)
        opened.worker = new
        took = time.monotonic() - began
        if ended := running.look():
            raise TareError(
                say(
                    "services.load_ended",
                    "the load of {seconds} s {ended}, before the worker was replaced after {took} s",
                    seconds=f"{seconds:.1f}",
                    ended=ended,
                    took=f"{took:.1f}",
                )
            )
        found = _told(running, seconds + offered.drain_seconds + _LATE_SECONDS)
    finally:
        running.stop()
    by_new = opened.served(new)
    check_counts(found, by_old, by_new)
    n = found["answered"] + found["unanswered"]
    yield _duration("replace", took)
    lost = found["failed"] + found["unanswered"]
    yield metric("services.replace.failed", lost, "count", "lower", load.SOURCE_NAME, samples=n)
    for point in ("p99", "max"):
        name = f"services.replace.{point}"
        yield metric(name, found[f"{point}_ns"] / 1e9, "s", "lower", load.SOURCE_NAME, samples=n)


def _wait_for_orders(opened: Shop, before: int, running: Service) -> None:
    """Wait until the load has reached the worker, so that it is replaced under it."""
    deadline = time.monotonic() + shop.ANSWER_SECONDS
    while opened.served(opened.worker) <= before:
        if ended := running.look():
            raise TareError(
                say(
                    "services.client_early",
                    "the load's client {ended}, before it reached the worker",
                    ended=ended,
                )
            )
        if time.monotonic() > deadline:
            raise TareError(say("services.not_reached", "the load did not reach the worker"))


def check_counts(found: Mapping[str, int], by_old: int, by_new: int) -> None:
    """Compare the client's count of the answers with those of both workers.

    Raises:
        TareError: they disagree, or a worker had no part in it, so that nothing was replaced under load.
    """
    good = found["answered"] - found["failed"]
    if not by_old or not by_new:
        raise TareError(
            say(
                "services.not_both",
                "the load did not reach both workers: {by_old} and {by_new} of {good} answers",
                by_old=by_old,
                by_new=by_new,
                good=good,
            )
        )
    # A request without an answer may have been answered by a worker after the client had left.
    if not good <= by_old + by_new <= good + found["unanswered"] + found["failed"]:
        raise TareError(
            say(
                "services.miscounted",
                "the client counts {good} answers, and the workers {by_old} and {by_new}",
                good=good,
                by_old=by_old,
                by_new=by_new,
            )
        )


def _told(running: Service, seconds: float) -> dict[str, int]:
    """Wait for the load's client to end; return what it found."""
    running.wait_for(lambda _one: False, seconds)
    ended = running.look()
    if not ended:
        raise TareError(say("load.slow", "the load's client did not end in time"))
    if not ended.startswith("ended with status 0"):
        raise TareError(say("services.client_ended", "the load's client {ended}", ended=ended))
    return load.parse(running.output)


def _duration(name: str, seconds: float) -> Metric:
    return Metric(
        name=f"services.{name}",
        value=seconds,
        unit="s",
        direction="lower",
        clock="host-monotonic",
        source="tare",
    )


_MEASURED = say(
    "workload.services", "the most it takes, latencies at a fixed load, the time to add a replica"
)
_MORE = say(
    "workload.services_more", "{measured}, a hop's cost, replacing a service under load", measured=_MEASURED
)
SERVICES = (
    Services(
        "one",
        "services-one",
        say("workload.services_one", "a small application in one process: {measured}", measured=_MEASURED),
    ),
    Services(
        "place",
        "services-place",
        say("workload.services_place", "the same as three services in one place: {measured}", measured=_MORE),
        from_mode="default",
    ),
    Services(
        "places",
        "services-places",
        say(
            "workload.services_places",
            "the same as three services in a place each: {measured}",
            measured=_MORE,
        ),
    ),
)
