"""Connect the host with an engine's private network namespace by a pair of devices.

The pair goes with the namespace. The host's packet filters and routes stay as they are, but for the route to the pair.
"""

from __future__ import annotations

from pathlib import Path

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.host.endings import last_words
from tare.runners.host.links import is_gone
from tare.runners.host.programs import run_quietly

_UPLINK = "uplink"


def connect(pid: int, device: str) -> str:
    """Connect the network namespace of a process with the host's.

    Args:
        pid: the process. ``ip`` is taken from its mount namespace.
        device: name of the host's end.

    Returns:
        The host's address on the pair.

    Raises:
        TareError: the kernel or ``ip`` refuses.
        OSError: ``nsenter`` is missing.
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
    """Remove the pair at once; the kernel would remove it some time after the namespace. Idempotent.

    Raises:
        TareError: ``ip`` refuses.
    """
    # The process, whose mount namespace has `ip`, may have ended; then the pair goes with its network.
    if (Path("/sys/class/net") / device).exists() and Path(f"/proc/{pid}/ns/mnt").exists():
        _ip(pid, f"link delete {device}", inside=False, undo=True)


def free_subnet(routes: str) -> str:
    """Choose a /24 network that no route of ``/proc/net/route`` leads to, as its first three numbers.

    Raises:
        TareError: all of 10.213.0.0/16 is in use.
    """
    taken = {bytes.fromhex(line.split()[1])[::-1][:3] for line in routes.splitlines()[1:]}
    third = next((number for number in range(256) if bytes((10, 213, number)) not in taken), None)
    if third is None:
        raise TareError(say("network.all_taken", "all of 10.213.0.0/16 is taken"))
    return f"10.213.{third}"


def _ip(pid: int, words: str, *, inside: bool, undo: bool = False) -> None:
    """Call ``ip`` in the process's network namespace (``inside``) or in the host's; ``undo`` as in :func:`ip`."""
    done = run_quietly(
        ["nsenter", "--target", str(pid), "--mount", *(("--net",) if inside else ()), "ip", *words.split()],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    if done.returncode and not (undo and is_gone(done.stderr)):
        raise TareError(say(
            "host.ip_words", "ip {words}: {last_words}",
            words=words, last_words=last_words(done.stderr, done.returncode),
        ))  # fmt: skip
