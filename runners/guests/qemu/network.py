"""Give guests a network by one of several back ends.

The last four bytes of the card's MAC address are the guest's IPv4 address, which the agent takes from there, so that
kernel command line and disks are the same for all places.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import Missing
from tare.runners.host.bridge import HOST, Bridge, check_taps
from tare.runners.host.links import BITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.runners.guests.variant import Mode
    from tare.runners.provision.tools import Provision, Tool

NETWORK_BITS = BITS
"""Length of the network's prefix in every mode."""
USER_GUEST, USER_HOST = "10.0.2.15", "10.0.2.2"
"""Addresses in QEMU's user network of the guest, and of the host's loopback."""
TAP_FD, VHOST_FD = 7, 8
"""File descriptors at which QEMU finds the tap device and vhost."""
PEER_FD = 9
"""File descriptor at which QEMU finds its end of the connection to a helper, which has the other end as 3."""
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
    """Network card of one place, and what is at its other end."""

    guest: str
    """IPv4 address of the guest."""
    host: str
    """IPv4 address at which the guest reaches the host."""
    backend: str
    """Value of QEMU's ``-netdev``, without the id."""
    namespace: str = ""
    """Path of the network namespace that has the host's address; empty: the host's own."""
    fds: Mapping[int, int] = field(default_factory=dict)
    """Number in QEMU → file descriptor here."""
    helper: Tool | None = None
    """Program at the other end, run beside each QEMU; ``None``: none is needed."""

    @property
    def mac(self) -> str:
        """Locally administered MAC address that ends in the IPv4 address: ``52:54:0a:00:02:0f``."""
        return ":".join(["52:54", *(f"{int(part):02x}" for part in self.guest.split("."))])


USER = Network(USER_GUEST, USER_HOST, "user,ipv6=off")
"""QEMU's TCP/IP in user space (slirp): needs no privileges, changes nothing on the host, and is slow."""

PASST_ARGUMENTS = (
    *("--foreground", "--quiet", "--stderr", "--ipv4-only"),
    *("--address", USER_GUEST, "--netmask", str(NETWORK_BITS), "--gateway", USER_HOST),
    *("--dns", "none", "--search", "none", "--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra"),
    *("--fd", "3"),
)
"""Arguments for passt(1), which give the guest the same addresses as slirp, with the host's loopback as the gateway.
passt ends when QEMU's end of the connection closes. Started by root it becomes ``nobody``."""


class Networks:
    """Networks of one runner's places."""

    def __init__(self, mode: Mode, run: str, name: str) -> None:
        """Make it without touching the host. ``name``: the runner's, as files may have it."""
        self._mode, self._run, self._name = mode, run, name
        self._bridge: Bridge | None = None
        self._passt: Tool | None = None

    @property
    def kind(self) -> str:
        """Description of the network for the context."""
        return _KINDS[self._mode]

    def check(self) -> None:
        """Check that this host can provide the network.

        Raises:
            Missing: it cannot; the message says why.
        """
        if self._mode == "passt" and not has_default_route():
            raise Missing(
                say(
                    "guest.passt_route",
                    "passt needs an interface with a default route, and this host has none.",
                ),
                say("remedy.net_user", "Use net=user."),
            )
        if self._mode in {"tap", "vhost"}:
            check_taps()
        if self._mode == "vhost" and not os.access(VHOST, os.R_OK | os.W_OK):
            raise Missing(
                say("guest.vhost_closed", "{vhost} cannot be opened.", vhost=VHOST)
                if VHOST.exists()
                else say("guest.no_vhost", "{vhost} does not exist.", vhost=VHOST),
                say(
                    "remedy.load_vhost_net",
                    "Load the module: modprobe vhost_net; or use net=tap.",
                ),
            )

    def prepare(self, provision: Provision) -> None:
        """Find or make what all places share.

        Raises:
            Missing: it cannot be fetched.
        """
        if self._mode == "passt":
            self._passt = provision.tool("passt")
        if self._mode in {"tap", "vhost"} and self._bridge is None:
            self._bridge = Bridge(self._run, self._name)

    @contextmanager
    def attach(self) -> Iterator[Network | None]:
        """Make a place's card. Keep the context open while QEMU is launched, which duplicates what it needs."""
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
        """Remove the bridge. Idempotent."""
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None


def has_default_route(routes: Path = ROUTES) -> bool:
    """Tell whether there is an IPv4 default route (``/proc/net/route``: destination and mask are 0)."""
    try:
        lines = routes.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return False
    fields = [line.split() for line in lines]
    return any(len(one) > 7 and int(one[1], 16) == int(one[7], 16) == 0 for one in fields)
