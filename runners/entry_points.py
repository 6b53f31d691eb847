"""Load what other installed packages add to the suite by entry points. A bad one is reported, and stops no other."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any


@dataclass(frozen=True, slots=True)
class Addition:
    """One thing that a package adds."""

    origin: str
    """Group, entry point and package, as messages name them."""
    package: str
    """Name of the distribution."""
    content: Any
    """Object of the package's; the elements of a list are additions of their own."""

    def problem(self, what: str) -> str:
        """Make the sentence about an addition that cannot be used."""
        return f"{self.origin} is left out: {what}. Update or uninstall {self.package}."


@dataclass(frozen=True, slots=True)
class Additions:
    """Everything that packages add to a group."""

    found: tuple[Addition, ...] = ()
    problems: tuple[str, ...] = ()
    """Sentences about entry points that cannot be loaded."""


@functools.cache
def load_group(group: str) -> Additions:
    """Load the entry points of a group."""
    found: list[Addition] = []
    problems = []
    for point in sorted(entry_points(group=group)):
        package = point.dist.name if point.dist else "its package"
        made = Addition(f"{group}: {point.name} of {package}", package, None)
        try:
            content = point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's module does
            problems.append(made.problem(f"it cannot be loaded ({said_of(error)})"))
            continue
        many = content if isinstance(content, list | tuple) else (content,)
        found += (Addition(made.origin, package, one) for one in many)
    return Additions(tuple(found), tuple(problems))


def said_of(error: BaseException) -> str:
    """Put a stranger's error into a few words on one line."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
