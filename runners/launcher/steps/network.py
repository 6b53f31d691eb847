"""Define the steps that set up networks; the launcher sends the netlink requests made here."""

from __future__ import annotations

from ipaddress import IPv4Address

from tare.results.said import say
from tare.runners.launcher import netlink
from tare.runners.launcher.steps.base import Op, Step, instruction
from tare.runners.launcher.steps.namespaces import CLONE_FLAGS

_WHOLE = 32
"""Length of the prefix of a network of one IPv4 address."""


class LinkUp(Step, frozen=True):
    """Bring a network interface of the process' net namespace up."""

    name: str = "lo"

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.link_up", "bring {name} up", name=self.name)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.LINK_UP, index, texts=[self.name])


class MakeBridge(Step, frozen=True):
    """Make a bridge with an address in the process' net namespace."""

    name: str
    index: int
    address: str
    prefix: int

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say(
            "step.bridge",
            "make bridge {name}, {address}/{prefix}",
            name=self.name,
            address=self.address,
            prefix=self.prefix,
        )

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        # Locally administered, and derived from the IP address as Docker does it.
        hardware = b"\x02\x42" + IPv4Address(self.address).packed
        return _ask(index, netlink.new_bridge(self.name, self.index, hardware)) + _ask(
            index, netlink.new_address(self.index, self.address, self.prefix)
        )


class MakePair(Step, frozen=True):
    """Make a pair of virtual Ethernet interfaces: one end here with an address, the other in a process' namespace."""

    name: str
    index: int
    address: str
    prefix: int
    peer: str
    peer_index: int
    peer_pid: int

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say(
            "step.link",
            "make link {name}, {address}/{prefix}, to {peer} of process {peer_pid}",
            name=self.name,
            address=self.address,
            prefix=self.prefix,
            peer=self.peer,
            peer_pid=self.peer_pid,
        )

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        pair = netlink.new_pair(self.name, self.index, self.peer, self.peer_index, self.peer_pid)
        return _ask(index, pair) + _ask(index, netlink.new_address(self.index, self.address, self.prefix))


class LinkDirectly(Step, frozen=True):
    """Make a pair of interfaces whose end here has an address and a route to that of the other end alone."""

    name: str
    index: int
    address: str
    there: str
    """Address of the other end."""
    peer: str
    peer_index: int
    peer_pid: int

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say(
            "step.link_to",
            "make link {name}, {address} to {there}, {peer} of process {peer_pid}",
            name=self.name,
            address=self.address,
            there=self.there,
            peer=self.peer,
            peer_pid=self.peer_pid,
        )

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        pair = netlink.new_pair(self.name, self.index, self.peer, self.peer_index, self.peer_pid)
        address = netlink.new_address(self.index, self.address, _WHOLE, peer=self.there)
        return _ask(index, pair) + _ask(index, address)


class SetDirectAddress(Step, frozen=True):
    """Bring an interface up, with an address and a route to the one address at the other end."""

    index: int
    address: str
    there: str

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say(
            "step.address_to",
            "address {address} to {there} for interface {index}",
            address=self.address,
            there=self.there,
            index=self.index,
        )

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        address = netlink.new_address(self.index, self.address, _WHOLE, peer=self.there)
        return _ask(index, netlink.link_up(self.index)) + _ask(index, address)


class SetAddress(Step, frozen=True):
    """Bring an interface up and give it an address."""

    index: int
    address: str
    prefix: int

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say(
            "step.address",
            "address {address}/{prefix} for interface {index}",
            address=self.address,
            prefix=self.prefix,
            index=self.index,
        )

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return _ask(index, netlink.link_up(self.index)) + _ask(
            index, netlink.new_address(self.index, self.address, self.prefix)
        )


class Masquerade(Step, frozen=True):
    """Translate the source address of all packets that leave by an interface."""

    index: int

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.masquerade", "masquerade what leaves by interface {index}", index=self.index)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return _ask(index, netlink.new_masquerade(self.index), protocol=netlink.NETFILTER)


class JoinBridge(Step, frozen=True):
    """Make a new net namespace with an ``eth0`` whose other end is on a bridge of the old one.

    Only for the first process of a pid namespace: the kernel finds the new net namespace by pid 1.
    """

    link: str
    """Name of the interface at the bridge's end."""
    bridge: int
    """Index of the bridge's interface."""
    address: str
    prefix: int
    gateway: str

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say(
            "step.network",
            "new net namespace, eth0 {address}/{prefix} on a bridge by {link}, route {gateway}",
            address=self.address,
            prefix=self.prefix,
            link=self.link,
            gateway=self.gateway,
        )

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        pair = netlink.new_pair(self.link, 0, "eth0", _ETH0, 1, bridge=self.bridge)
        return _joined(index, pair, netlink.new_address(_ETH0, self.address, self.prefix), self.gateway)


class JoinPair(Step, frozen=True):
    """Make a new net namespace with an ``eth0`` whose other end is in the old one, and nothing in between.

    Only for the first process of a pid namespace: the kernel finds the new net namespace by pid 1.
    """

    link: str
    """Name of the interface at the old namespace's end."""
    link_index: int
    """Index of that interface."""
    address: str
    gateway: str
    """Address of the end in the old namespace; all pairs that end there can have the same."""

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say(
            "step.network_to",
            "new net namespace, eth0 {address} directly to {link}, route {gateway}",
            address=self.address,
            link=self.link,
            gateway=self.gateway,
        )

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        outer = netlink.batch(
            netlink.new_pair(self.link, self.link_index, "eth0", _ETH0, 1),
            netlink.new_address(self.link_index, self.gateway, _WHOLE, peer=self.address),
        )
        inner = netlink.new_address(_ETH0, self.address, _WHOLE, peer=self.gateway)
        return _joined(index, outer, inner, self.gateway)


_ETH0 = 2
"""Index of ``eth0`` in a new net namespace; ``lo`` has the first."""


def _joined(index: int, outer: bytes, address: bytes, gateway: str) -> bytes:
    """Encode a new net namespace with an ``eth0``: the request that makes its pair from the old one, its address and route."""
    return (
        instruction(Op.KEEP_NETLINK, index)
        + instruction(Op.UNSHARE, index, [CLONE_FLAGS["net"]])
        + _ask(index, outer, kept=True)
        + _ask(index, netlink.link_up(_ETH0))
        + _ask(index, address)
        + _ask(index, netlink.new_default_route(_ETH0, gateway))
    )


def _ask(index: int, message: bytes, *, protocol: int = netlink.ROUTE, kept: bool = False) -> bytes:
    """Encode a netlink request from the process' net namespace, or (``kept``) from the one it has left."""
    return instruction(Op.NETLINK, index, [int(kept), protocol], [message])
