"""Raise this process' limit of open files, and give the user's own back to what is measured.

The limit is that of ``ulimit -n`` (``RLIMIT_NOFILE``). The launcher moves passed descriptors out of the way, above 128,
and every open place takes some more; a soft limit of a login shell may be too low for that.
"""

from __future__ import annotations

import functools
import resource

import msgspec

from tare.results.said import say
from tare.runners.errors import TareError

LEAST = 256
"""Open files that a run needs: 128 that the launcher keeps free, up to 64 that it is passed, and those of some places."""
MOST = 1 << 16
"""Highest limit that is asked for; a larger one has no use here."""


class FileLimit(msgspec.Struct, frozen=True):
    """The limit of open files, as the user gave it to this process and as it is now."""

    given: int
    """Soft limit that the user had."""
    now: int
    """Soft limit in force in this process."""
    hard: int

    def for_prlimit(self) -> str:
        """Give the user's limit as prlimit(1) takes it."""
        both = (self.given, self.hard)
        return ":".join("unlimited" if one == resource.RLIM_INFINITY else str(one) for one in both)

    def describe(self) -> str:
        """Describe it for the run's notes."""
        raised = f", raised to {self.now} for the suite itself" if self.now != self.given else ""
        return f"{self.given} (soft), {self.hard} (hard){raised}"


@functools.cache
def file_limit() -> FileLimit:
    """Raise the soft limit to the hard one, at most :data:`MOST`, the first time; then tell what was done."""
    given, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if given == resource.RLIM_INFINITY or given >= most:
        return FileLimit(given, given, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        return FileLimit(given, given, hard)
    return FileLimit(given, most, hard)


def check_open_files() -> FileLimit:
    """Raise the limit, and check that it suffices for a run.

    Raises:
        TareError: it does not.
    """
    limit = file_limit()
    if limit.now != resource.RLIM_INFINITY and limit.now < LEAST:
        raise TareError(
            say(
                "host.open_files",
                "this process may have {now} files open (`ulimit -n`), and a run needs {least} at least. "
                "Raise the limit: `ulimit -n 4096`, as root if the hard limit is as low (`ulimit -Hn`).",
                now=limit.now,
                least=LEAST,
            )
        )
    return limit
