"""Word the lines that say how far fetching packages has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.said import say
from tare.results.statistics.phrases import count

if TYPE_CHECKING:
    from collections.abc import Iterable


def fetching(names: Iterable[str], packages: int, size_bytes: int) -> str:
    """Say which packages are going to be fetched, how many they are with what they need, and their size."""
    return say(
        "progress.fetching",
        "fetching {names}: {packages}, {size} MB",
        names=" ".join(names),
        packages=count(packages, "package"),
        size=f"{size_bytes / 1e6:.0f}",
    )


def fetched(names: Iterable[str], fetch_seconds: float, unpack_seconds: float) -> str:
    """Say which packages are there, and how long fetching and unpacking them took."""
    return say(
        "progress.fetched",
        "fetched {names} in {fetching} s, unpacked in {unpacking} s",
        names=" ".join(names),
        fetching=f"{fetch_seconds:.0f}",
        unpacking=f"{unpack_seconds:.0f}",
    )
