"""What ``tare doctor --fix`` can bring up on this host, and ``--unfix`` takes down again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from runners.provision.tools import Provision


@dataclass(frozen=True, slots=True)
class Fix:
    """One thing that is missing on some hosts."""

    do: Callable[[Provision], list[str]]
    """Bring it up; returns what was done, in lines for a person."""
    undo: Callable[[], list[str]]
    """Take it down; returns what was removed, nothing if it was not there."""


def _start_docker(provision: Provision) -> list[str]:
    from runners.engines.private import PrivateDocker  # noqa: PLC0415 - only when asked for

    return PrivateDocker().start(provision)


def _stop_docker() -> list[str]:
    from runners.engines.private import PrivateDocker  # noqa: PLC0415

    return [f"removed {each}" for each in PrivateDocker().stop()]


FIXES = {"docker": Fix(_start_docker, _stop_docker)}
