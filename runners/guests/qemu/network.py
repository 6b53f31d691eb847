"""The network of guests: which ways there are, and what a place gets.

The guest's address is in its card's MAC address, the last four bytes, from where the agent takes it: so kernel command
line and disks of all places are equal.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tare.runners.errors import Missing
from tare.runners.host.bridge import HOST, Bridge, check_taps
from tare.runners.host.links import BITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.runners.guests.variant import Mode
    from tare.runners.provision.tools import Provision, Tool

NETWORK_BITS = BITS
"""Length of the network's prefix, in every mode."""
USER_GUEST, USER_HOST = "10.0.2.15", "10.0.2.2"
"""What QEMU's user network gives to a guest, and where it has the host's loopback."""
TAP_FD, VHOST_FD = 7, 8
"""Where QEMU finds them."""
PEER_FD = 9
"""Where QEMU finds its end of the line to a helper; the helper has the other as 3."""
ROUTES = Path("/proc/net/route")
VHOST = Path("/dev/vhost-net")

_KINDS = {
    "none": "none",
    "user": "virtio-net, user network (slirp)",
    "passt": "virtio-net, user network (passt, a process of its own)",
    "tap": "virtio-net, tap on a bridge",
    "vhost": "virtio-net with vhost, tap on a bridge",
}


@dataclass(frozen=True, slots=True)
class Network:
    """A place's own network card."""

    guest: str
    """The guest's IPv4 address."""
    host: str
    """The address by which it reaches the host."""
    backend: str
    """QEMU's ``-netdev``, without the id."""
    namespace: str = ""
    """The net namespace in which that is; empty: the host's own."""
    fds: Mapping[int, int] = field(default_factory=dict)
    """Number in QEMU → our file descriptor."""
    helper: Tool | None = None
    """A program that is the network's other end, a process beside each QEMU."""

    @property
    def mac(self) -> str:
        """Locally administered, and the address behind it: ``52:54:0a:00:02:0f``."""
        return ":".join(["52:54", *(f"{int(part):02x}" for part in self.guest.split("."))])


USER = Network(USER_GUEST, USER_HOST, "user,ipv6=off")
"""QEMU's own TCP/IP in user space (slirp): needs no rights, changes nothing on the host, and is slow."""

PASST_ARGUMENTS = (
    *("--foreground", "--quiet", "--stderr", "--ipv4-only"),
    *("--address", USER_GUEST, "--netmask", str(NETWORK_BITS), "--gateway", USER_HOST),
    *("--dns", "none", "--search", "none", "--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra"),
    *("--fd", "3"),
)
"""Of passt(1). It gives the guest what it has with slirp; its gateway stands for the host's loopback. It ends when
QEMU's end of the line closes. Run by root it becomes ``nobody``."""


class Networks:
    """The networks of one runner's places."""

    def __init__(self, mode: Mode, run: str, name: str) -> None:
        """``name``: of the runner, as files are named."""
        self._mode, self._run, self._name = mode, run, name
        self._bridge: Bridge | None = None
        self._passt: Tool | None = None

    @property
    def kind(self) -> str:
        """For the context."""
        return _KINDS[self._mode]

    def check(self) -> None:
        """Raises Missing: this host cannot give such a network."""
        if self._mode == "passt" and not has_default_route():
            raise Missing(
                "passt takes an interface with a default route, and this host has none.", "Take net=user."
            )
        if self._mode in {"tap", "vhost"}:
            check_taps()
        if self._mode == "vhost" and not os.access(VHOST, os.R_OK | os.W_OK):
            there = "cannot be opened" if VHOST.exists() else "is not there"
            raise Missing(f"{VHOST} {there}.", "Load it: modprobe vhost_net; or take net=tap.")

    def prepare(self, provision: Provision) -> None:
        """Find or make what all places share.

        Raises:
            Missing: it cannot be had.
        """
        if self._mode == "passt":
            self._passt = provision.tool("passt")
        if self._mode in {"tap", "vhost"} and self._bridge is None:
            self._bridge = Bridge(self._run, self._name)

    @contextmanager
    def attach(self) -> Iterator[Network | None]:
        """A place's card; open while QEMU is launched, which keeps what it needs."""
        if self._passt is not None:
            backend = f"stream,server=off,addr.type=fd,addr.str={PEER_FD}"
            yield Network(USER_GUEST, USER_HOST, backend, helper=self._passt)
            return
        if self._bridge is None:
            yield USER if self._mode == "user" else None
            return
        fd, address = self._bridge.tap()
        fds = {TAP_FD: fd}
        try:
            backend = f"tap,fd={TAP_FD},vhost=off"
            if self._mode == "vhost":
                fds[VHOST_FD] = os.open(VHOST, os.O_RDWR | os.O_CLOEXEC)
                backend = f"tap,fd={TAP_FD},vhost=on,vhostfd={VHOST_FD}"
            yield Network(address, HOST, backend, str(self._bridge.namespace), fds)
        finally:
            for one in fds.values():
                os.close(one)

    def close(self) -> None:
        """Idempotent."""
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None


def has_default_route(routes: Path = ROUTES) -> bool:
    """Whether IPv4 packets to anywhere have a way (``/proc/net/route``: destination and mask are 0)."""
    try:
        lines = routes.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return False
    fields = [line.split() for line in lines]
    return any(len(one) > 7 and int(one[1], 16) == int(one[7], 16) == 0 for one in fields)
