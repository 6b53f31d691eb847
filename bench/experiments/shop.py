"""Run the small application of ``services-*`` in one of its shapes: one process, or three services in one place or in three.

``tare-shop`` (``shop.c`` beside the workloads) is the whole application, and each of its tiers: a front takes an order over
HTTP, a worker computes its price from what a store knows. The client is on the host and knows the front alone.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tare.bench.workloads
from tare.bench.experiments.applications.cpus import keep_apart
from tare.bench.experiments.serving import (
    Address,
    Readiness,
    as_service,
    listening_address,
    site_of,
    wait_until_ready,
)
from tare.bench.measurable import Unsuitable
from tare.results.said import say
from tare.runners.bare import open_outside
from tare.runners.errors import TareError
from tare.runners.model import Job
from tare.runners.native.build import build
from tare.runners.places.endpoint import LOCALHOST, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.bench.experiments.base import Lab
    from tare.runners.model import Limits, Place

Shape = Literal["one", "place", "places"]
"""``one``: a single process. ``place``: three services in one place. ``places``: three services in a place each."""
Role = Literal["whole", "front", "worker", "store"]
_Way = tuple[str, int]

SOURCE = Path(tare.bench.workloads.__file__).with_name("shop.c")
PROGRAM = "usr/bin/tare-shop"
"""Path of the program in the image."""
ANSWER_SECONDS = 10.0
"""Time after which a question of the suite's own to a service has failed."""


def files(cache: Path) -> Mapping[str, Path]:
    """Compile the program: path in the image → file."""
    return {PROGRAM: build(SOURCE, cache)}


@dataclass(frozen=True, slots=True)
class Tier:
    """One service of the application, which runs."""

    place: Place
    port: int
    undo: ExitStack
    """Stops it; closed with the application at the latest."""
    way: _Way | None
    """Address and port at which the other tiers ask it; ``None``: they cannot."""


@dataclass(slots=True)
class Shop:
    """The application, ready to take orders."""

    lab: Lab
    shape: Shape
    client_limits: Limits
    stack: ExitStack
    """Closes all places, and so stops all services."""
    client: Place = field(init=False)
    at: Address = field(init=False)
    """Address of the front, or of the whole, as the client sees it."""
    front: Tier = field(init=False)
    worker: Tier = field(init=False)
    """The worker that the front asks; in one process, the process."""
    store: Tier = field(init=False)
    cpus: str = ""
    """CPUs of the client beside those of the services, as in force."""

    def open(self) -> None:
        """Start the tiers from the store on, and open the client's place."""
        place = self._open_place()
        if self.shape == "one":
            self.front = self.worker = self.store = self._start(place, "whole")
        else:
            self.store = self._start(place, "store")
            self.worker = self.start_worker()
            own = self._open_place() if self.shape == "places" else place
            self.front = self._start(own, "front", _known(self.worker.way))
        endpoint = self.front.place.endpoint(self.front.port)
        if endpoint is None:
            raise _without_a_way(
                say(
                    "services.no_way_in",
                    "the services in {label} cannot be reached from the host.",
                    label=self.lab.runner.label,
                )
            )
        self.client = self.stack.enter_context(
            open_outside(self.lab.context, self.lab.image, self.client_limits, endpoint)
        )
        self.at = Address(site_of(self.lab, self.client), address=endpoint.address, port=endpoint.port)
        for each in dict.fromkeys((self.store.place, self.worker.place, self.front.place)):
            self.cpus = self._apart(each)
        self.ask("/item/1")

    def start_worker(self) -> Tier:
        """Start a further worker; with the shape ``places`` in a place of its own."""
        place = self._open_place() if self.shape == "places" else self.store.place
        return self._start(place, "worker", _known(self.store.way))

    def start_whole(self) -> Tier:
        """Start the whole application a second time, in a place of its own, and let it answer an order."""
        made = self._start(self._open_place(), "whole")
        self._ask_in(made, "/item/1")
        return made

    def use(self, worker: Tier) -> None:
        """Let the front ask a further worker, in turn with the others."""
        address, port = _known(worker.way)
        self.ask(f"/use/{address}:{port}")

    def drop(self, worker: Tier) -> None:
        """Let the front ask a worker no more, and wait until it has answered all that it was asked."""
        address, port = _known(worker.way)
        self.ask(f"/drop/{address}:{port}")

    def stop(self, tier: Tier) -> None:
        """Stop a service, and close its place where it is alone in it."""
        tier.undo.close()
        if tier.place not in (self.store.place, self.front.place):
            tier.place.close()

    def served(self, tier: Tier) -> int:
        """Ask a service how many orders it has answered."""
        return int(self._ask_in(tier, "/served"))

    def ask(self, path: str) -> str:
        """Ask the front as the client; raises :class:`TareError` unless it answers with success."""
        return _ask(self.client, (self.at.address, self.at.port), path)

    def _ask_in(self, tier: Tier, path: str) -> str:
        return _ask(tier.place, (LOCALHOST, tier.port), path)

    def _open_place(self) -> Place:
        place = self.stack.enter_context(self.lab.runner.open())
        if hasattr(self, "client"):
            self._apart(place)
        return place

    def _apart(self, place: Place) -> str:
        return keep_apart(place, self.client, self.lab.limits, self.client_limits)

    def _start(self, place: Place, role: Role, next_one: _Way | None = None) -> Tier:
        """Start a tier in a place, and wait until it takes connections there."""
        port = free_port()
        words = (role, listening_address(place), str(port))
        onward = (next_one[0], str(next_one[1])) if next_one else ()
        argv = (f"{place.root.rstrip('/')}/{PROGRAM}", *words, *onward)
        service = place.start(as_service(Job(argv)))
        undo = self.stack.enter_context(ExitStack())
        undo.callback(service.stop)
        wait_until_ready(service, Readiness("port"), place, Address(site_of(self.lab, place), port=port))
        return Tier(place, port, undo, self._way(place, port, role))

    def _way(self, place: Place, port: int, role: Role) -> _Way | None:
        if role in {"whole", "front"}:
            return None
        if self.shape == "place":
            return LOCALHOST, port
        endpoint = place.endpoint(port)
        if endpoint is None or endpoint.from_places is None:
            raise _without_a_way(
                say(
                    "services.no_way_between",
                    "services in {label} cannot be reached from another place.",
                    label=self.lab.runner.label,
                )
            )
        return endpoint.from_places


def _without_a_way(reason: str) -> Unsuitable:
    """Refuse a runner whose network leads nowhere, for good, with the remedy."""
    remedy = say("services.with_network", "Measure a variant with a network, such as namespaces:bridge.")
    return Unsuitable(reason, remedy, lasting=True)


@contextmanager
def open_shop(lab: Lab, shape: Shape, client_limits: Limits) -> Iterator[Shop]:
    """Open the application in a shape; on every way out all of its places are closed.

    Raises:
        Unsuitable: there is no way to it, or between its services, with this runner.
        PlaceFailure: a place cannot be opened, or a service is not ready in time.
        TareError: the application does not answer.
    """
    with ExitStack() as stack:
        shop = Shop(lab, shape, client_limits, stack)
        shop.open()
        yield shop


def _known(way: _Way | None) -> _Way:
    if way is None:
        raise TareError(say("shop.nobody_asks", "nobody but the client asks this service"))
    return way


def _ask(place: Place, there: _Way, path: str) -> str:
    argv = (f"{place.root.rstrip('/')}/{PROGRAM}", "ask", there[0], str(there[1]), path)
    cap = str(round(ANSWER_SECONDS * 1000))
    began = time.monotonic()
    result = place.run(Job((*argv, cap), timeout_seconds=ANSWER_SECONDS + 5))
    if result.exit_code != 0:
        said = (
            result.error or result.stderr.decode("utf-8", "replace").strip() or f"status {result.exit_code}"
        )
        raise TareError(
            say(
                "shop.no_answer",
                "the application did not answer {path} after {monotonic} s: {said}",
                path=path,
                monotonic=f"{time.monotonic() - began:.1f}",
                said=said,
            )
        )
    return result.stdout.decode("utf-8", "replace").strip()
