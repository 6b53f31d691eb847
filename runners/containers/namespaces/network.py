"""Make private networks for places, plain pairs, a bridge or a bridge with NAT, in network namespaces of the run.

Packets take the same path as in container engines: through a pair of devices from the place to a bridge, at whose
address the host's side listens (``bridge``), or on through forwarding and masquerading to another host (``nat``). With
``veth`` there is the pair alone, whose other end has the address at which the host's side listens; places among
themselves have pairs of their own (:mod:`tare.runners.containers.namespaces.links`).

However, the bridge, or the pairs' other end, is not in the host's network namespace but in one held by the launcher that
makes the places, and the other host is a second namespace. So no interface, address, rule or sysctl of the host is touched, and everything is
gone once the launcher is, however it ends.

An ordinary user may make all this in a user namespace only, and a pair of devices only between net namespaces that
belong to it. So that launcher begins with a user namespace, which is that of all places it makes.

Addresses are from 198.18.0.0/15, reserved for benchmarks (RFC 2544), and not visible outside.
"""

from __future__ import annotations

import ipaddress
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import msgspec

from tare.runners.containers.namespaces.links import Links
from tare.runners.launcher.steps.files import WriteFile
from tare.runners.launcher.steps.namespaces import EnterNamespace, MapUser, NewNamespace, into_network
from tare.runners.launcher.steps.network import (
    JoinBridge,
    JoinPair,
    LinkUp,
    MakeBridge,
    MakePair,
    Masquerade,
    SetAddress,
)

if TYPE_CHECKING:
    from tare.runners.containers.namespaces.ladder import Network
    from tare.runners.launcher.client import Launcher
    from tare.runners.launcher.steps.base import Step

_NET: Final = ipaddress.IPv4Network("198.18.0.0/16")
_GATEWAY: Final = str(_NET[1])
_UPLINK: Final = "198.19.0.2"
OUTSIDE: Final = "198.19.0.1"
_LINK_PREFIX: Final = 30
_BRIDGE, _UP, _ETH0, _FIRST_PAIR = 100, 101, 2, 1000
# Interface indices, free to choose in an empty network namespace.


def router(kind: Network, owner: tuple[int, int] | None = None) -> tuple[Step, ...]:
    """List the steps that the launcher takes before it makes places.

    Args:
        kind: kind of network.
        owner: uid and gid of an ordinary user, to whom root in a new user namespace is mapped. ``None``: real root.
    """
    user = () if owner is None else (NewNamespace("user"), MapUser(*owner))
    bridge = (MakeBridge("tare0", _BRIDGE, _GATEWAY, _NET.prefixlen),)
    return (*user, NewNamespace("net"), LinkUp("lo"), *(() if kind == "veth" else bridge))


class VethNetwork(msgspec.Struct):
    """Network of a runner's places. Make it when the launcher with the steps of :func:`router` runs."""

    kind: Network
    host_address: str = _GATEWAY
    """Address at which places reach the host's side."""
    host_network: str = ""
    """Path of the network namespace that has :attr:`host_address`; set by :meth:`connect`."""
    places_network: str = ""
    """Path of the network namespace from which places are reached, with the bridge or the pairs' other ends; set by
    :meth:`connect`."""
    links: Links | None = None
    """Pairs between places; ``None``: they reach each other by the bridge. Set by :meth:`connect`."""
    _undo: ExitStack = msgspec.field(default_factory=ExitStack)

    def connect(self, launcher: Launcher, router: Launcher, run: str) -> None:
        """Complete the network; for NAT make the other host and the route to it.

        Args:
            launcher: the run's, which sees the host's /proc.
            router: the launcher that holds the network.
            run: the run id.

        Raises:
            SpawnError: the kernel refused a step; the message says which.
        """
        here = f"/proc/{router.pid}/ns/net"
        self.host_network = self.places_network = here
        environ = {"TARE_RUN": run}
        if self.kind == "veth":
            self.links = Links(lambda steps: launcher.perform(steps, environ))
        if self.kind != "nat":
            return
        outside = self._undo.enter_context(router.inside((NewNamespace("net"), LinkUp("lo")), environ))
        there = f"/proc/{outside.pid}/ns/net"
        steps = (
            *into_network(here),
            MakePair("up0", _UP, _UPLINK, _LINK_PREFIX, "eth0", _ETH0, outside.pid),
            WriteFile("/proc/sys/net/ipv4/ip_forward", "1"),
            Masquerade(_UP),
            EnterNamespace("net", there),
            SetAddress(_ETH0, OUTSIDE, _LINK_PREFIX),
        )
        launcher.perform(steps, environ)
        self.host_address, self.host_network = OUTSIDE, there

    def close(self) -> None:
        """End the other host. Everything else goes with the launcher of the places."""
        self._undo.close()


def join(kind: Network, number: int) -> JoinBridge | JoinPair:
    """Make the step by which the place with this number, from 0, joins the network."""
    address, link = address_of(number), f"veth{number}"
    if kind == "veth":
        return JoinPair(link, _FIRST_PAIR + number, address, _GATEWAY)
    return JoinBridge(link, _BRIDGE, address, _NET.prefixlen, _GATEWAY)


def address_of(number: int) -> str:
    """Give the address of the place with this number, from 0."""
    return str(_NET[2 + number % (_NET.num_addresses - 3)])
