"""A pair of devices between the host and a net namespace that an engine has to itself.

It goes with the namespace; the host's routes, but for the one to the pair, and its packet filters stay as they are.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tare.runners.errors import TareError

_UPLINK = "uplink"
NAME_CHARACTERS = 15
"""At most, of a device's name (IFNAMSIZ less one)."""


def connect(pid: int, device: str) -> str:
    """Connect the net namespace of a process with ours; returns the host's address on the pair.

    ``ip`` is called as the process's mount namespace has it.

    Raises:
        TareError: the kernel or ``ip`` refuses.
        OSError: there is no ``nsenter``.
    """
    subnet = free_subnet(Path("/proc/net/route").read_text("ascii"))
    for inside, words in (
        (False, f"link add {device} type veth peer name {_UPLINK} netns {pid}"),
        (False, f"address add {subnet}.1/30 dev {device}"),
        (False, f"link set {device} up"),
        (True, f"address add {subnet}.2/30 dev {_UPLINK}"),
        (True, f"link set {_UPLINK} up"),
        (True, f"route add default via {subnet}.1"),
    ):
        _ip(pid, words, inside=inside)
    return f"{subnet}.1"


def disconnect(pid: int, device: str) -> None:
    """Remove the pair now; it would go with the namespace, but some time later.

    Raises:
        TareError: it is not there.
    """
    _ip(pid, f"link delete {device}", inside=False)


def free_subnet(routes: str) -> str:
    """The first three numbers of a network that no route of ``/proc/net/route`` is to."""
    taken = {bytes.fromhex(line.split()[1])[::-1][:3] for line in routes.splitlines()[1:]}
    third = next((number for number in range(256) if bytes((10, 213, number)) not in taken), None)
    if third is None:
        raise TareError("all of 10.213.0.0/16 is taken")
    return f"10.213.{third}"


def _ip(pid: int, words: str, *, inside: bool) -> None:
    """``inside``: in the process's net namespace, else in ours."""
    done = subprocess.run(
        ["nsenter", "--target", str(pid), "--mount", *(("--net",) if inside else ()), "ip", *words.split()],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise TareError(f"ip {words}: {done.stderr.strip() or done.returncode}")
