"""Load what other installed packages add to the suite by entry points. A bad one is reported, and stops no other."""

from __future__ import annotations

import functools
from importlib.metadata import entry_points
from typing import Any

import msgspec

from tare.results.said import say


class Addition(msgspec.Struct, frozen=True):
    """One thing that a package adds."""

    origin: str
    """Group, entry point and package, as messages name them."""
    package: str
    """Name of the distribution."""
    content: Any
    """Object of the package's; the elements of a list are additions of their own."""

    def problem(self, what: str) -> str:
        """Make the sentence about an addition that cannot be used."""
        return say(
            "addition.left_out", "{origin} is left out: {what}. Update or uninstall {package}.",
            origin=self.origin, what=what, package=self.package,
        )  # fmt: skip


class Additions(msgspec.Struct, frozen=True):
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
        package = point.dist.name if point.dist else say("addition.package", "its package")
        origin = say(
            "addition.origin", "{group}: {name} of {package}", group=group, name=point.name, package=package
        )
        made = Addition(origin, package, None)
        try:
            content = point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's module does
            why = say("addition.not_loaded", "it cannot be loaded ({error})", error=said_of(error))
            problems.append(made.problem(why))
            continue
        many = content if isinstance(content, list | tuple) else (content,)
        found += (Addition(made.origin, package, one) for one in many)
    return Additions(tuple(found), tuple(problems))


def said_of(error: BaseException) -> str:
    """Put a stranger's error into a few words on one line."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
