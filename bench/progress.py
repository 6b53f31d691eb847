"""Show progress on stderr: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import functools
import os
import sys
import time
from typing import TYPE_CHECKING, Protocol

from tare.bench.console import steer
from tare.reports.text.columns import cut
from tare.reports.text.repeated import repeat
from tare.reports.text.words import words
from tare.results.printable import printable
from tare.results.said import say
from tare.results.statistics.phrases import count

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from tare.reports.model import Language

_PLAIN_EVERY_SECONDS = 10.0
_REDRAW_SECONDS = 0.2


def teller(language: Language) -> Callable[[str], str]:
    """Make a function that repeats what was said in the language of the terminal."""
    if language == "en":
        return str
    return functools.partial(repeat, words=words(language))


class Progress(Protocol):
    """Is told what happens while measuring, and shows it or not."""

    def say(self, text: str) -> None:
        """Take a message that is worth a line of its own."""

    def begin(self, left: Callable[[], float]) -> None:
        """Measuring starts; ``left`` estimates the seconds until it ends, at any time."""

    def trial(self, done: int, what: str) -> None:
        """Show that a trial was stored: the ``done`` th; ``what`` names it."""

    def end(self) -> None:
        """Measuring is over; called once, even if it was interrupted."""


class Silent:
    """Progress that shows nothing: for tests and ``--json``."""

    def say(self, text: str) -> None:
        """See :meth:`Progress.say`; shows nothing."""

    def begin(self, left: Callable[[], float]) -> None:
        """See :meth:`Progress.begin`; shows nothing."""

    def trial(self, done: int, what: str) -> None:
        """See :meth:`Progress.trial`; shows nothing."""

    def end(self) -> None:
        """See :meth:`Progress.end`; shows nothing."""


class Lines:
    """Live status on a terminal, else a plain line now and then.

    One line, redrawn at most five times a second and only between trials. There is no thread: nothing of
    it runs while something is measured.
    """

    def __init__(self, stream: TextIO | None = None, language: Language = "en") -> None:
        self.stream = stream or sys.stderr
        self.tell = teller(language)
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.left: Callable[[], float] = lambda: 0.0
        self.started = self.shown = 0.0

    def say(self, text: str) -> None:
        """Print a line of its own, above the live one."""
        self._erase()
        print(f"tare: {printable(self.tell(text))}", file=self.stream, flush=True)

    def begin(self, left: Callable[[], float]) -> None:
        """Remember whom to ask for the time left."""
        self.left = left
        self.started, self.shown = time.monotonic(), 0.0
        self.say(say("progress.measuring", "measuring: about {time}", time=clock(left())))

    def trial(self, done: int, what: str) -> None:
        """Redraw the line if the last time was long enough ago."""
        now = time.monotonic()
        if now - self.shown < (_REDRAW_SECONDS if self.live else _PLAIN_EVERY_SECONDS):
            return
        self.shown = now
        left, passed = self.left(), now - self.started
        # What has begun is brought to its end, and a guest's first block may take longer than all that was left.
        text = (
            say("progress.line", "{trials}, {passed} passed, about {left} left: {what}",
                trials=count(done, "trial"), passed=clock(passed), left=clock(max(left, 1.0)), what=what)
            if left > 0 else
            say("progress.over", "{trials}, {passed} passed, longer than planned: {what}",
                trials=count(done, "trial"), passed=clock(passed), what=what)
        )  # fmt: skip
        if self.live:
            steer(self.stream, f"\r\x1b[K{cut(printable(self.tell(text)), _width() - 1)}")
            self.stream.flush()
        else:
            self.say(text)

    def end(self) -> None:
        """Erase the live line, so that the next output starts on a clean one."""
        self._erase()

    def _erase(self) -> None:
        if self.live:
            steer(self.stream, "\r\x1b[K")
            self.stream.flush()


def clock(seconds: float) -> str:
    """Format seconds as a clock does: ``75.2`` → ``1:15``; below a minute ``15 s``."""
    whole = round(max(seconds, 0.0))
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return 80
