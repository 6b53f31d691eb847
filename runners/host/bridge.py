"""Make a bridge for guests' taps in a net namespace of its own, without touching the host's network.

The host's side of the bridge is in the namespace, too: a server for the guests has to run there. Removing the
namespace ``tare-<run>-…`` removes everything; :mod:`tare.runners.cleanup` finds it by that name.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import struct
import threading
from pathlib import Path

from tare.results.said import say
from tare.runners.errors import Missing, PlaceFailure
from tare.runners.host.links import BITS, ip

TUN = Path("/dev/net/tun")
_NETWORK = "10.192.0"
"""Any network will do, as nothing else is in the namespace."""
HOST = f"{_NETWORK}.1"
"""The host's address on the bridge."""
FIRST_GUEST, MOST_GUESTS = 2, 250
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_CLONE_NEWNET = 0x40000000
_NAMED = Path("/run/netns")


def check_taps(tun: Path = TUN) -> None:
    """Check that taps can be made here.

    Raises:
        Missing: they cannot; the text says why.
    """
    if not tun.exists():
        raise Missing(
            say("host.no_file", "There is no {tun}.", tun=tun),
            say("remedy.load_tun", "Load it: modprobe tun"),
        )
    if os.geteuid() != 0:
        raise Missing(
            say("host.taps_need_root", "Taps and a bridge take root rights (CAP_NET_ADMIN)."),
            say("remedy.root_or_net_user", "Run as root, or take net=user."),
        )
    if not os.access(tun, os.R_OK | os.W_OK):
        raise Missing(
            say("host.no_tun_access", "{tun} cannot be opened.", tun=tun),
            say("remedy.elsewhere_or_net_user", "Run where it can be, or take net=user."),
        )
    if shutil.which("ip") is None:
        raise Missing(
            say("host.ip_not_installed", "`ip` is not installed."),
            say("remedy.install_iproute2", "Install it: apt-get install iproute2"),
        )


class Bridge:
    """The bridge of one runner. :meth:`close` removes it."""

    def __init__(self, run: str, name: str) -> None:
        """Make the namespace and the bridge.

        Raises:
            PlaceFailure: the host refuses; the text has the command's message.
        """
        self._namespace = f"tare-{run}-{name}"
        self._taken = 0
        inside = ("-n", self._namespace)
        ip("netns", "add", self._namespace)
        try:
            ip(*inside, "link", "add", "bridge", "type", "bridge")
            ip(*inside, "address", "add", f"{HOST}/{BITS}", "dev", "bridge")
            ip(*inside, "link", "set", "bridge", "up")
            ip(*inside, "link", "set", "lo", "up")
        except PlaceFailure:
            self.close()
            raise

    @property
    def namespace(self) -> Path:
        """Path of the net namespace with the host's side, for setns(2)."""
        return _NAMED / self._namespace

    def tap(self) -> tuple[int, str]:
        """Make a tap; return its file descriptor, whose closing removes it, and the address for the guest behind it."""
        guest = FIRST_GUEST + self._taken % MOST_GUESTS
        self._taken += 1
        name = f"tap{self._taken}"
        fd = _tap(self.namespace, name)
        try:
            ip("-n", self._namespace, "link", "set", name, "master", "bridge", "up")
        except PlaceFailure:
            os.close(fd)
            raise
        return fd, f"{_NETWORK}.{guest}"

    def close(self) -> None:
        """Remove the bridge with its namespace. Idempotent."""
        if self.namespace.exists():
            ip("netns", "delete", self._namespace, undo=True)


def _tap(namespace: Path, name: str) -> int:
    """Make a tap in a namespace: it belongs to where its device file was opened, so a thread enters it for that."""
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
        raise PlaceFailure(
            say("host.no_tap", "the tap {name} cannot be made: {what}", name=name, what=made[0])
        ) from made[0]
    return made[0]


def _made_in(namespace: Path, name: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    there = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
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
