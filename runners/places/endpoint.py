"""Find the way to a server in a place on this host's kernel, by the network namespace that its agent is in."""

from __future__ import annotations

import socket
from pathlib import Path

from tare.runners.model import Endpoint

LOCALHOST = "127.0.0.1"
_SHARED_WITH_OTHERS = "127."


def find_endpoint(agent_pid: int, port: int, bridge_network: str | None) -> Endpoint | None:
    """Describe how a client outside reaches a port of the place with this agent; ``None``: the agent is not visible.

    Args:
        agent_pid: the agent's pid on the host; 0 if it is not known.
        port: the server's port.
        bridge_network: network namespace of the bridge that the place is on, as ``/proc/PID/ns/net``; empty: the host's own.
            ``None``: it is on none.
    """
    if not agent_pid:
        return None
    namespace = Path(f"/proc/{agent_pid}/ns/net")
    try:
        if namespace.stat().st_ino == Path("/proc/self/ns/net").stat().st_ino:
            return Endpoint(LOCALHOST, port, "host", from_places=(LOCALHOST, port))
        routes = Path(f"/proc/{agent_pid}/net/fib_trie").read_text("ascii")
    except OSError:
        return None
    address = own_address(routes) if bridge_network is not None else ""
    if bridge_network is not None and address:
        return Endpoint(address, port, "bridge", bridge_network, from_places=(address, port))
    return Endpoint(LOCALHOST, port, "loopback", str(namespace))


def own_address(fib_trie: str) -> str:
    """Return the first address of ``/proc/net/fib_trie`` that is not the loopback interface's; empty: there is none."""
    address = ""
    for line in fib_trie.splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            address = words[1] if len(words) > 1 else ""
        elif words == ["/32", "host", "LOCAL"] and address and not address.startswith(_SHARED_WITH_OTHERS):
            return address
    return ""


def free_port() -> int:
    """Find a TCP port that is free on this host, whose network places may share."""
    with socket.socket() as one:
        one.bind((LOCALHOST, 0))
        return int(one.getsockname()[1])
