"""Define the errors of the runners: each text says what was tried, what went wrong, and what to do about it."""

from __future__ import annotations

import errno
import resource

from tare.results.said import joined, say


class TareError(Exception):
    """An error that a person can act on; its text says what was tried and what to do."""


class PlaceFailure(TareError):
    """A place could not be made, or died. It becomes a recorded failure, and the run goes on.

    ``log`` is the tail of the console or of stderr, for the record's notes.
    """

    def __init__(self, reason: str, *, remedy: str = "", log: str = "") -> None:
        super().__init__(reason)
        self.reason, self.remedy, self.log = reason, remedy, log


def as_failure(error: Exception) -> PlaceFailure:
    """Turn a runner's error into a place's failure: a full disk or a lost launcher ends a trial, not the run."""
    if isinstance(error, PlaceFailure):
        return error
    return PlaceFailure(str(error), remedy=remedy_of(getattr(error, "errno", None)))


def remedy_of(number: int | None) -> str:
    """Give the remedy for an errno that says which limit was reached; empty for others."""
    if number == errno.EMFILE:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return say(
            "fault.open_files", "this process may have {n} files open: raise that by `ulimit -n 4096`, or open fewer places",
            n=soft,
        )  # fmt: skip
    if number == errno.ENFILE:
        return say(
            "fault.all_files", "the host has reached its limit of open files: raise it by `sysctl -w fs.file-max=…`"
        )  # fmt: skip
    return ""


def not_probed(runner: str) -> TareError:
    """Make the error of a runner that was prepared before it was probed."""
    return TareError(say("internal.not_probed", "{name} was prepared before it was probed", name=runner))


def not_prepared(runner: str) -> TareError:
    """Make the error of a runner that was opened before it was prepared."""
    return TareError(say("internal.not_prepared", "{name} was opened before it was prepared", name=runner))


class UsageError(TareError):
    """A request that makes no sense; the text says what would be accepted."""


class SettingRefused(UsageError):
    """The value of a setting makes no sense here, as is found only when it is used.

    The text names the option; the command line names the layer that the value came from instead, such as a settings file.
    """

    def __init__(self, option: str, why: str) -> None:
        super().__init__(f"{option}: {why}")
        self.option, self.why = option, why


class Missing(TareError):
    """A tool or kernel that is not here and was not fetched; ``remedy`` is the command that would install it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(joined(reason, remedy))
        self.reason, self.remedy = reason, remedy
