"""Restore a saved guest: the commands a new QEMU gets, and the time at which it resumed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import PlaceFailure
from tare.runners.guests.qemu.arguments import STATE_FD
from tare.runners.guests.qemu.qmp import QmpError

if TYPE_CHECKING:
    from typing import Any

    from tare.runners.guests.qemu.qmp import Qmp


RESUME_SECONDS = 2.0
"""Time limit for QEMU's RESUME event, in seconds. It is read after the agent has answered, so it is there already."""


CAPABILITIES = (
    "migrate-set-capabilities",
    {
        "capabilities": [
            {"capability": "x-ignore-shared", "state": True},
            {"capability": "events", "state": True},
        ]
    },
)


RESTORE: tuple[tuple[str, dict[str, Any]], ...] = (
    CAPABILITIES,
    ("migrate-incoming", {"uri": f"fd:{STATE_FD}"}),
)
"""Commands written to the monitor before QEMU starts, so that no round trip delays the restoration."""


def restored_ns(monitor: Qmp) -> int:
    """Tell when QEMU resumed the restored guest, in ns of the host's ``CLOCK_MONOTONIC``.

    QEMU stamps its events with the wall clock. The offset between the clocks is read now; if NTP has stepped the wall
    clock since, the mark may come out of order, which makes the trial invalid rather than wrong.

    Raises:
        PlaceFailure: QEMU refused the restoration; the message quotes QEMU.
    """
    try:
        event = monitor.event("RESUME", timeout_seconds=RESUME_SECONDS)
    except QmpError as error:
        raise PlaceFailure(
            say("guest.not_restored", "the guest was not restored: {error}", error=error)
        ) from error
    at = event["timestamp"]
    return int(at["seconds"] * 10**9 + at["microseconds"] * 1000) - (time.time_ns() - time.monotonic_ns())
