"""Load what other installed packages add to the suite by entry points."""

from __future__ import annotations

import functools
from importlib.metadata import entry_points
from typing import Any

from tare.runners.errors import UsageError


@functools.cache
def load_group(group: str) -> tuple[tuple[str, Any], ...]:
    """Load the entry points of a group: what an error message calls each, and the object.

    Raises:
        UsageError: one cannot be loaded; the text names the package and its error.
    """
    found = []
    for point in sorted(entry_points(group=group)):
        package = point.dist.name if point.dist else "a package"
        origin = f"{group}: {point.name} of {package}"
        try:
            found.append((origin, point.load()))
        except Exception as error:  # whatever a stranger's module does
            said = f"{type(error).__name__}: {error}"
            raise UsageError(f"{origin} cannot be loaded ({said}). Update or uninstall {package}.") from error
    return tuple(found)
