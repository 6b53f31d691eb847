"""Note what cannot be undone, and go on: no failure of clean-up may cost what was measured."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from tare.results.said import say
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

_T = TypeVar("_T")


def _to_nobody(_line: str) -> None:
    """Tell nobody."""


class UndoLog(msgspec.Struct):
    """Failures of clean-up in one run. They are told and kept, and end nothing."""

    say: Callable[[str], None] = msgspec.field(default=_to_nobody)
    """Told of every failure."""
    failures: list[str] = msgspec.field(default_factory=list)
    """What could not be undone, each with the reason, in the order of the failures and without repetition."""

    def note(self, what: str, error: Exception) -> None:
        """Keep a failure and tell the user of it.

        Args:
            what: what was to be undone, as the subject of the message.
            error: why it could not be.
        """
        # An error that nobody foresaw may have a text that means nothing without its name.
        expected = isinstance(error, TareError | OSError)
        text = f"{what}: {error if expected else f'{type(error).__name__}: {error}'}"
        if text not in self.failures:
            self.failures.append(text)
            self.say(
                say(
                    "progress.cleanup_failed",
                    "cleaning up failed: {text}; nothing measured is lost, and `tare clean` tries again",
                    text=text,
                )
            )

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Note every error of a ``with`` block that does nothing but clean up."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, what was measured is worth more
            self.note(what, error)

    def leaving(self, what: str, manager: AbstractContextManager[_T]) -> Leaving[_T]:
        """Wrap a context manager: errors of leaving it are noted, those of entering it and of the block pass.

        The manager must be none that swallows errors of the block.
        """
        return Leaving(self, what, manager)


class Leaving(msgspec.Struct, Generic[_T]):
    """A context manager whose errors of leaving are noted."""

    log: UndoLog
    what: str
    """As in :meth:`UndoLog.note`."""
    manager: AbstractContextManager[_T]
    failure: Exception | None = None
    """Error of leaving it; ``None``: none so far."""

    def __enter__(self) -> _T:
        return self.manager.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.manager.__exit__(kind, error, trace)
        except Exception as failure:  # noqa: BLE001 - see UndoLog.noting
            if failure is not error:
                self.failure = failure
                self.log.note(self.what, failure)
