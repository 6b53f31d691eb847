"""Call iproute2's ``ip``, and find IPv4 networks that the host does not use."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import PlaceFailure
from tare.runners.host.endings import last_words
from tare.runners.host.programs import run_quietly

if TYPE_CHECKING:
    from collections.abc import Iterator

BITS = 24
"""Length of the prefix of a run's networks."""


_GONE = re.compile(r"Cannot find device|No such (file or directory|device)|does not exist")


def is_gone(complaint: str) -> bool:
    """Tell whether ``ip`` complains that what it should delete is not there."""
    return _GONE.search(complaint) is not None


def ip(*arguments: str, undo: bool = False) -> None:
    """Call ``ip`` of iproute2.

    Args:
        arguments: its command line.
        undo: what is gone already counts as success.

    Raises:
        PlaceFailure: it failed.
    """
    done = run_quietly(["ip", *arguments])
    if done.returncode and not (undo and is_gone(done.stderr)):
        raise PlaceFailure(
            say(
                "host.ip_failed",
                "`ip {names}` failed: {told}",
                names=" ".join(arguments),
                told=last_words(done.stderr, done.returncode),
            ),
            remedy=say(
                "remedy.ip_as_user",
                "see what `ip` says as this user; take a network that needs no rights",
            ),
        )


def free_networks(seed: str, routes: Path = Path("/proc/net/route")) -> Iterator[ipaddress.IPv4Network]:
    """Yield networks that no route of the host leads to, in an order that depends on ``seed``."""
    used = list(used_networks(routes.read_text("ascii")))
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:2], "big")
    for step in range(1 << 14):
        third = (start + step) % (1 << 14)
        network = ipaddress.IPv4Network((0x0AC00000 + (third << 8), BITS))
        if not any(network.overlaps(one) for one in used):
            yield network


def used_networks(table: str) -> Iterator[ipaddress.IPv4Network]:
    """Yield the networks in the text of ``/proc/net/route``, without the default route."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        destination, mask = (int.from_bytes(bytes.fromhex(fields[i]), "little") for i in (1, 7))
        if mask:
            yield ipaddress.IPv4Network((destination, mask.bit_count()), strict=False)
