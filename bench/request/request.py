"""The request: what is wanted of one run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.bench.request import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.model import Limits

from typing import Literal


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted of one run."""

    settings: Mapping[str, Any]
    mode: ModeName = "default"
    offline: bool = False
    profile: bool = False
    resume: str = ""
    command: tuple[str, ...] = ()
    """The user's own command; then it is the only workload besides ``null``."""
    versions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name → command, of versions to measure side by side; then they are the only workloads."""
    variants: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Name → settings that differ, of two variants of every runner to measure side by side; the first is the base."""
    carry: tuple[Path, ...] = ()
    """Files and folders of the host that the command needs in the image."""
    cases: frozenset[tuple[str, str]] | None = None
    """Only these (workload, runner key); everything that the settings select if ``None``."""
    report: bool = True
    resuming: str = "tare run --resume {run}"
    """How to go on with the run if it is interrupted."""

    def limits(self) -> Limits:
        """What each place may use."""
        return settings.limits(self.settings, sorted(os.sched_getaffinity(0)))

    def record(self) -> dict[str, Any]:
        """What a resumed run needs to ask for the same again, as JSON knows it."""
        plain = {
            key: str(value) if isinstance(value, Path) else value for key, value in self.settings.items()
        }
        return {
            "settings": plain,
            "mode": self.mode,
            "command": list(self.command),
            "versions": [[name, list(command)] for name, command in self.versions],
            "variants": [[name, dict(settings)] for name, settings in self.variants],
            "carry": [str(path) for path in self.carry],
            "cases": sorted(self.cases) if self.cases is not None else None,
        }


ModeName = Literal["quick", "default", "rigorous"]
