"""Define the errors that end a command; :mod:`tare.bench.__main__` turns them into a message and an exit code."""

from __future__ import annotations

from enum import IntEnum

from tare.runners.errors import TareError


class Exit(IntEnum):
    """Exit codes of the program ``tare``."""

    OK = 0
    REGRESSION = 1
    USAGE = 2
    ENVIRONMENT = 3
    SOME_FAILED = 4
    CRASHED = 70
    INTERRUPTED = 130


class EnvironmentMissing(TareError):
    """The command cannot run because this host lacks something; the text says what, and how to get it."""
