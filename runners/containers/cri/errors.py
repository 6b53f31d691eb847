"""Define the error of CRI runtimes, importable without a gRPC library."""

from __future__ import annotations

from tare.runners.errors import PlaceFailure


class CriError(PlaceFailure):
    """The runtime cannot be reached or refuses a call."""

    def __init__(self, reason: str, *, remedy: str = "", absent: bool = False, code: str = "") -> None:
        """``absent``: nobody listens at the socket; ``code``: gRPC's status, such as ``NOT_FOUND``."""
        super().__init__(reason, remedy=remedy)
        self.absent, self.code = absent, code
