"""What goes wrong with a CRI runtime; importable without a gRPC library."""

from __future__ import annotations

from tare.runners.errors import PlaceFailure


class CriError(PlaceFailure):
    """The runtime cannot be reached, or refuses. ``absent``: there is nobody at its socket."""

    def __init__(self, reason: str, *, remedy: str = "", absent: bool = False, code: str = "") -> None:
        super().__init__(reason, remedy=remedy)
        self.absent, self.code = absent, code
        """``code``: gRPC's, such as ``NOT_FOUND``."""
