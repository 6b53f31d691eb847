"""Networks of our own for places: a bridge, and one behind NAT, in net namespaces that belong to the run.

The path is the one that container engines give: an Ethernet pair from the place to a bridge, whose address the host's
side listens on (``bridge``); or from there on through forwarding and masquerading to another host (``nat``). But the
net namespace with the bridge in it is not the host's: it is held by the launcher from which places are made, and the
other host is a second namespace. So no interface, address, rule or sysctl of the host is ever touched, and all of it
is gone when the launcher is, however that ends.

Addresses are of 198.18.0.0/15, set aside for benchmarks (RFC 2544); nobody outside sees them.
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
_BRIDGE, _UP, _ETH0 = 100, 101, 2  # indices of interfaces, ours to choose in an empty net namespace

ROUTER: Final[tuple[Step, ...]] = (
    NewNamespace("net"),
    LinkUp("lo"),
    MakeBridge("tare0", _BRIDGE, _GATEWAY, _NET.prefixlen),
)
"""What the launcher that makes the places has behind it."""


@dataclass(slots=True)
class VethNetwork:
    """A network, from when the launcher with :data:`ROUTER` runs until it is closed."""

    kind: Network
    host_address: str = _GATEWAY
    host_network: str = ""
    """Net namespace in which :attr:`host_address` is, as a path."""
    _undo: ExitStack = field(default_factory=ExitStack)

    def connect(self, launcher: Launcher, router: Launcher, run: str) -> None:
        """Finish it: for NAT, the host beyond and the way there.

        Raises:
            SpawnError: the kernel refused something; the text says what.
        """
        here = f"/proc/{router.pid}/ns/net"
        self.host_network = here
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
        """Let go of the host beyond. The rest goes with the launcher of the places."""
        self._undo.close()


def join(number: int) -> JoinBridge:
    """How the place of that number, from 0, joins the network."""
    address = str(_NET[2 + number % (_NET.num_addresses - 3)])
    return JoinBridge(f"veth{number}", _BRIDGE, address, _NET.prefixlen, _GATEWAY)
