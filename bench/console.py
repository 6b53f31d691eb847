"""Guard standard output and standard error: what is written is clean, and a reader that leaves changes nothing.

Every command prints as it likes; :func:`guarded` is the one place where text on its way out is made harmless.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tare.results.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


class Guarded:
    """A text stream that cleans what is written, and that outlives its reader.

    After the first error nothing more is written: who closed a pipe (``tare plan | head``) has seen enough, and the
    command goes on to its own exit code. Other errors, such as a full disk, are kept in :attr:`failure`.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Wrap a stream; ``None``, as Python has it for a closed descriptor, takes everything and writes nothing."""
        self.stream = stream
        self.failure: OSError | None = None
        if stream is not None and hasattr(stream, "reconfigure"):
            # A stream that is ASCII only still shows every word, as escapes.
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write text that may come from anywhere."""
        self.control(printable(text))
        return len(text)

    def control(self, text: str) -> None:
        """Write text of our own that may steer the terminal."""
        if self.stream is not None:
            try:
                self.stream.write(text)
            except (OSError, ValueError) as error:
                self._give_up(error)

    def data(self, content: bytes) -> None:
        """Write a file's content as it is."""
        if self.stream is not None:
            try:
                self.stream.flush()
                self.stream.buffer.write(content)
                self.stream.buffer.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)

    def flush(self) -> None:
        """Write out what is buffered; a reader that has left is no error."""
        if self.stream is not None:
            try:
                self.stream.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)

    def isatty(self) -> bool:
        """Tell whether a person is likely to be reading."""
        return self.stream is not None and not self.stream.closed and self.stream.isatty()

    def _give_up(self, error: OSError | ValueError) -> None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            self.failure = error
        stream, self.stream = self.stream, None
        # Whatever is still buffered goes nowhere; else Python complains of it when it ends.
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the wrapped stream (``encoding``, ``fileno``, …)."""
        return getattr(self.stream, name)


def occupy_closed_descriptors() -> None:
    """Put ``/dev/null`` where standard input, output or error is closed.

    Else the next files and pipes that are opened get these numbers, and children that are given their own streams lose them.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


@contextmanager
def guarded() -> Iterator[tuple[Guarded, Guarded]]:
    """Put guards before ``sys.stdout`` and ``sys.stderr``; gives both."""
    before = sys.stdout, sys.stderr
    guards = Guarded(before[0]), Guarded(before[1])
    sys.stdout, sys.stderr = guards
    try:
        yield guards
    finally:
        for guard in guards:
            guard.flush()
        sys.stdout, sys.stderr = before


def deliver(stream: TextIO, content: bytes) -> None:
    """Write a file's content to a stream, guarded or not."""
    if isinstance(stream, Guarded):
        stream.data(content)
    else:
        stream.buffer.write(content)
        stream.buffer.flush()


def steer(stream: TextIO, text: str) -> None:
    """Write control codes of our own to a stream, guarded or not."""
    if isinstance(stream, Guarded):
        stream.control(text)
    else:
        stream.write(text)
