"""A bridge in a net namespace of its own, with one leg on the host: what guests' taps are plugged into.

On the host there is one new interface, whose name and address are free; all else is in the namespace
``tare-<run>-…``, and goes with it. :mod:`runners.host.leftovers` finds the namespace by that name.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import ipaddress
import os
import shutil
import struct
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from runners.model import PlaceFailure
from runners.provision.missing import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

TUN = Path("/dev/net/tun")
BITS = 24
MOST_GUESTS = 250
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_CLONE_NEWNET = 0x40000000
_NAMED = Path("/run/netns")


def check_taps(tun: Path = TUN) -> None:
    """Raises Missing: taps cannot be made here, and why."""
    if not tun.exists():
        raise Missing(f"There is no {tun}.", "Load it: modprobe tun")
    if os.geteuid() != 0:
        raise Missing("Taps and a bridge take root rights (CAP_NET_ADMIN).", "Run as root, or take net=user.")
    if not os.access(tun, os.R_OK | os.W_OK):
        raise Missing(f"{tun} cannot be opened.", "Run where it can be, or take net=user.")
    if shutil.which("ip") is None:
        raise Missing("`ip` is not installed.", "Install it: apt-get install iproute2")


class Bridge:
    """The bridge of one runner. Close it to undo it."""

    def __init__(self, run: str, name: str) -> None:
        """Make it.

        Raises:
            PlaceFailure: the host refuses, or has no free network; the text has the command's words.
        """
        self.namespace = f"tare-{run}-{name}"
        self._interface = "tare" + hashlib.sha256(self.namespace.encode()).hexdigest()[:8]
        network = next(free_networks(self.namespace), None)
        if network is None:
            raise PlaceFailure("all networks 10.192.0.0/10 are in use here", remedy="take net=user")
        self._network = network
        self.host = str(network[1])
        """The host's address on the bridge."""
        self._taken = 0
        inside = ("-n", self.namespace)
        try:
            ip("netns", "add", self.namespace)
            ip(*inside, "link", "add", "bridge", "type", "bridge")
            ip(*inside, "link", "set", "bridge", "up")
            ip("link", "add", self._interface, "type", "veth", "peer", "host", "netns", self.namespace)
            ip(*inside, "link", "set", "host", "master", "bridge", "up")
            ip("address", "add", f"{self.host}/{BITS}", "dev", self._interface)
            ip("link", "set", self._interface, "up")
        except PlaceFailure:
            self.close()
            raise

    def tap(self) -> tuple[int, str]:
        """A new tap: its file descriptor, with which it vanishes, and the address for the guest behind it."""
        number = self._taken % MOST_GUESTS
        self._taken += 1
        name = f"tap{self._taken}"
        fd = _tap(self.namespace, name)
        try:
            ip("-n", self.namespace, "link", "set", name, "master", "bridge", "up")
        except PlaceFailure:
            os.close(fd)
            raise
        return fd, str(self._network[number + 2])

    def close(self) -> None:
        """Idempotent."""
        # One end of a pair takes the other along, at once; the namespace would do so some time later.
        ip("link", "delete", self._interface, strict=False)
        if (_NAMED / self.namespace).exists():
            ip("netns", "delete", self.namespace, strict=False)


def ip(*arguments: str, strict: bool = True) -> None:
    """Call ip of iproute2; raises PlaceFailure if it fails and that matters."""
    done = subprocess.run(
        ["ip", *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode and strict:
        raise PlaceFailure(
            f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()[-200:] or done.returncode}",
            remedy="take net=user, which needs no rights",
        )


def _tap(namespace: str, name: str) -> int:
    """A tap belongs to the namespace in which its device file was opened, so a thread goes there for that."""
    made: list[int | OSError] = []

    def make() -> None:
        try:
            made.append(_made_in(namespace, name))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make, name="tare-tap")
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise PlaceFailure(f"the tap {name} cannot be made: {made[0]}") from made[0]
    return made[0]


def _made_in(namespace: str, name: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    there = os.open(_NAMED / namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(there, _CLONE_NEWNET):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
    finally:
        os.close(there)
    fd = os.open(TUN, os.O_RDWR | os.O_CLOEXEC)
    try:
        wanted = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
        fcntl.ioctl(fd, _TUNSETIFF, wanted)
    except BaseException:
        os.close(fd)
        raise
    return fd


def free_networks(seed: str, routes: Path = Path("/proc/net/route")) -> Iterator[ipaddress.IPv4Network]:
    """Networks that no route of the host leads to, in an order of this run's own."""
    used = list(used_networks(routes.read_text("ascii")))
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:2], "big")
    for step in range(1 << 14):
        third = (start + step) % (1 << 14)
        network = ipaddress.IPv4Network((0x0AC00000 + (third << 8), BITS))
        if not any(network.overlaps(one) for one in used):
            yield network


def used_networks(table: str) -> Iterator[ipaddress.IPv4Network]:
    """Those of ``/proc/net/route``, without the default route."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        destination, mask = (int.from_bytes(bytes.fromhex(fields[i]), "little") for i in (1, 7))
        if mask:
            yield ipaddress.IPv4Network((destination, mask.bit_count()), strict=False)
