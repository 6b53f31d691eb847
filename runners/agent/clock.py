"""Map an agent's clock to the host's."""

from __future__ import annotations

import msgspec

from tare.runners.errors import PlaceFailure


class ClockContradiction(PlaceFailure):
    """A time that cannot be: out of order by more than the clock's error. The trial becomes ``invalid``."""


class ClockMap(msgspec.Struct, frozen=True):
    """The mapping of an agent's ``CLOCK_MONOTONIC`` to the host's."""

    offset_ns: int = 0
    """The host's time minus the agent's."""
    error_ns: int = 0
    """Bound on the offset's error: half of the smallest round trip."""

    def to_host(self, agent_ns: int) -> int:
        """Convert an agent's time to the host's."""
        return agent_ns + self.offset_ns
