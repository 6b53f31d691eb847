"""Give a server and its clients CPUs of their own."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.results.said import say
from tare.runners.places.limit_watch import descendants

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tare.runners.model import Limits, Place

_CLIENT_MEMORY_BYTES = 1 << 30
_MOST_CLIENT_CPUS = 2


def split_cpus(limits: Limits, allowed: Iterable[int]) -> tuple[Limits, Limits]:
    """Divide the CPUs: the last quarter, but one or two, for the client, the others for the server.

    Returns:
        Limits of the server's place, and of the client's. Where there is one CPU only, both have it.
    """
    cpus = sorted(set(limits.cpuset) & set(allowed) if limits.cpuset else allowed)
    taken = min(max(len(cpus) // 4, 1), _MOST_CLIENT_CPUS)
    client = replace(limits, memory_bytes=max(limits.memory_bytes, _CLIENT_MEMORY_BYTES), cpus=taken)
    if len(cpus) < 2:
        return limits, client
    servers = tuple(cpus[:-taken])
    return (
        replace(limits, cpus=min(limits.cpus, len(servers)), cpuset=servers),
        replace(client, cpuset=tuple(cpus[-taken:])),
    )


def keep_apart(server: Place, client: Place, server_limits: Limits, client_limits: Limits) -> str:
    """Pin what runs in both places, where cgroups have not done so, and describe for the context what is in force."""
    wanted = ((server, server_limits.cpuset), (client, client_limits.cpuset))
    found = []
    for place, cpus in wanted:
        pid = place.vantage.agent_pid or place.vantage.top_pid
        if cpus:
            _pin(pid, frozenset(cpus))
        found.append(_in_force(pid))
    if not found[0] or not found[1]:
        return say("apps.cpus_unknown", "not known")
    if found[0] & found[1]:
        return say("apps.cpus_shared", "shared with the server's")
    clients, servers = len(found[1]), len(found[0])
    return say(
        "apps.client_cpus", "{clients} apart from the server's {servers}", clients=clients, servers=servers
    )


def _pin(pid: int, cpus: frozenset[int]) -> None:
    """Pin a process and its descendants, as an ordinary user may do with its own; what ends meanwhile is left out."""
    for each in (pid, *descendants(pid)):
        with suppress(OSError):
            for thread in Path(f"/proc/{each}/task").iterdir():
                with suppress(OSError):
                    if not os.sched_getaffinity(int(thread.name)) <= cpus:
                        os.sched_setaffinity(int(thread.name), cpus)


def _in_force(pid: int) -> set[int]:
    """Return the CPUs of a process and its descendants; empty if they cannot be told."""
    found: set[int] = set()
    for each in (pid, *descendants(pid)):
        with suppress(OSError):
            found |= os.sched_getaffinity(each)
    return found
