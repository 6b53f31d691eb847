"""Link places to each other by a pair of devices each, without a bridge or the host in between.

A pair is made when one of two open places is asked for the way to a server in it (:meth:`LinkedPlace.endpoint`), and when
a place is opened beside such a one; so places that nobody asks pay nothing. It is made after the launch, untimed, and
goes with the first of the two places. Each end has the address of its place's ``eth0`` and a route to that of the other
place, so that a place has one address, whoever asks.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from tare.runners.errors import PlaceFailure, remedy_of
from tare.runners.launcher.processes import SpawnError
from tare.runners.launcher.steps.namespaces import EnterNamespace, into_network
from tare.runners.launcher.steps.network import LinkDirectly, SetDirectAddress
from tare.runners.places.host import REMEDY
from tare.runners.places.launched import LaunchedPlace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.runners.launcher.steps.base import Step
    from tare.runners.model import Endpoint, Job
    from tare.runners.places.launched import LaunchPlan

_FIRST_INDEX = 10
"""Index of a place's first interface to another one; ``lo`` and ``eth0`` have the first two."""


class _End(msgspec.Struct):
    """An open place, as others are linked to it."""

    pid: int
    """Pid of its agent on the host."""
    serves: bool = False
    interfaces: int = 0
    """Interfaces to other places that were ever made in it."""
    linked: set[str] = msgspec.field(default_factory=set)
    """Addresses of the places to which it was linked."""

    def next_interface(self) -> int:
        """Count a further interface, and return its number, from 0."""
        self.interfaces += 1
        return self.interfaces - 1


class Links:
    """The pairs between the open places of a runner."""

    def __init__(self, perform: Callable[[tuple[Step, ...]], None]) -> None:
        """Begin without places.

        Args:
            perform: takes steps in a process of their own, in the host's pid namespace.
        """
        self._perform = perform
        self._ends: dict[str, _End] = {}
        self._lock = Lock()

    def add(self, address: str, pid: int) -> None:
        """Link a new place to those that are open and have a server.

        Raises:
            PlaceFailure: the kernel refused.
        """
        with self._lock:
            self._ends[address] = _End(pid)
            for other, end in self._ends.items():
                if end.serves:
                    self._link(address, other)

    def serve(self, address: str) -> None:
        """Link a place that has a server to all that are open, and from now on to those that are opened.

        Raises:
            PlaceFailure: the kernel refused.
        """
        with self._lock:
            self._ends[address].serves = True
            for other in self._ends:
                self._link(other, address)

    def remove(self, address: str) -> None:
        """Forget a place; its ends of pairs go with its net namespace. Idempotent."""
        with self._lock:
            self._ends.pop(address, None)
            for end in self._ends.values():
                end.linked.discard(address)

    def _link(self, one: str, other: str) -> None:
        near, far = self._ends[one], self._ends[other]
        if one == other or other in near.linked:
            return
        here, there = near.next_interface(), far.next_interface()
        steps = (
            *into_network(f"/proc/{near.pid}/ns/net"),
            LinkDirectly(
                f"to{here}", _FIRST_INDEX + here, one, other, f"to{there}", _FIRST_INDEX + there, far.pid
            ),
            EnterNamespace("net", f"/proc/{far.pid}/ns/net"),
            SetDirectAddress(_FIRST_INDEX + there, other, one),
        )
        try:
            self._perform(steps)
        except SpawnError as error:
            raise PlaceFailure(str(error), remedy=remedy_of(error.errno) or REMEDY) from error
        near.linked.add(other)
        far.linked.add(one)


class LinkedPlace(LaunchedPlace):
    """A place with a pair to the host's side, and a pair to each other place that it has to do with."""

    def __init__(self, plan: LaunchPlan, first: Job | None, links: Links, address: str) -> None:
        self._links, self._address = links, address
        super().__init__(plan, first)
        if first is None:  # the first job of a cold start runs already
            try:
                links.add(address, self._agent_pid())
            except BaseException:
                self.close()
                raise

    def endpoint(self, port: int) -> Endpoint | None:
        """See :class:`tare.runners.model.Place`. Also gives other places their way to this one."""
        found = super().endpoint(port)
        if found is None:
            return None
        self._links.serve(self._address)
        return replace(found, path="veth")

    def close(self) -> None:
        """See :class:`tare.runners.model.Place`."""
        self._links.remove(self._address)
        super().close()
