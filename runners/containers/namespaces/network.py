"""Make private networks for places, a bridge or a bridge with NAT, in network namespaces of the run.

Packets take the same path as in container engines: through a pair of devices from the place to a bridge, at whose
address the host's side listens (``bridge``), or on through forwarding and masquerading to another host (``nat``).
However, the bridge is not in the host's network namespace but in one held by the launcher that makes the places, and
the other host is a second namespace. So no interface, address, rule or sysctl of the host is touched, and everything is
gone once the launcher is, however it ends.

Addresses are from 198.18.0.0/15, reserved for benchmarks (RFC 2544), and not visible outside.
"""

from __future__ import annotations

import ipaddress
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tare.runners.launcher.steps.files import WriteFile
from tare.runners.launcher.steps.namespaces import EnterNamespace, NewNamespace
from tare.runners.launcher.steps.network import (
    JoinBridge,
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
_BRIDGE, _UP, _ETH0 = 100, 101, 2  # interface indices, free to choose in an empty network namespace

ROUTER: Final[tuple[Step, ...]] = (
    NewNamespace("net"),
    LinkUp("lo"),
    MakeBridge("tare0", _BRIDGE, _GATEWAY, _NET.prefixlen),
)
"""Steps that the launcher takes before it makes places."""


@dataclass(slots=True)
class VethNetwork:
    """Network of a runner's places. Make it when the launcher with :data:`ROUTER` runs."""

    kind: Network
    host_address: str = _GATEWAY
    """Address at which places reach the host's side."""
    host_network: str = ""
    """Path of the network namespace that has :attr:`host_address`; set by :meth:`connect`."""
    bridge_network: str = ""
    """Path of the network namespace that has the bridge; set by :meth:`connect`."""
    _undo: ExitStack = field(default_factory=ExitStack)

    def connect(self, launcher: Launcher, router: Launcher, run: str) -> None:
        """Complete the network; for NAT make the other host and the route to it.

        Raises:
            SpawnError: the kernel refused a step; the message says which.
        """
        here = f"/proc/{router.pid}/ns/net"
        self.host_network = self.bridge_network = here
        if self.kind != "nat":
            return
        environ = {"TARE_RUN": run}
        outside = self._undo.enter_context(launcher.inside((NewNamespace("net"), LinkUp("lo")), environ))
        there = f"/proc/{outside.pid}/ns/net"
        steps = (
            EnterNamespace("net", here),
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


def join(number: int) -> JoinBridge:
    """Make the step by which the place with this number, from 0, joins the network."""
    address = str(_NET[2 + number % (_NET.num_addresses - 3)])
    return JoinBridge(f"veth{number}", _BRIDGE, address, _NET.prefixlen, _GATEWAY)
