"""List the guest kernel arguments that every VMM's guests have in common.

``docs/guests.md`` has the measured saving of each.
"""

from __future__ import annotations

VIRTIO_PORT, SERIAL_PORT = "/dev/vport0p1", "/dev/ttyS0"
"""Names in the guest of the two ports that can be the agent's channel, for ``tare.channel=``."""

QUIET = ("quiet", "loglevel=1")
"""Keep the console quiet; panics are still printed."""

LEAN = (
    "cryptomgr.notests",  # the kernel's self-tests of its ciphers
    "no_timer_check",  # the test for a wiring fault of old boards, which waits for ten ticks
)
"""Skip self-tests that cost boot time."""
