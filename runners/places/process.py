"""Define the base of every place whose top process the launcher made, guests included: its life and its end."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from tare.results.said import say
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.launcher.processes import LauncherLostError, SpawnError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from tare.results.record import Metric
    from tare.runners.agent.session import AgentSession
    from tare.runners.launcher.client import Launcher
    from tare.runners.launcher.processes import Gone, Spawned
    from tare.runners.model import Usage
    from tare.runners.undoing import UndoLog

LEAVE_SECONDS = 3.0
"""Time for an agent to exit after it was told to; then it is killed."""
KILLED_SECONDS = 5.0
"""Time for a killed process to disappear; then the place counts as lost."""
SOCKET_BYTES = 1 << 20
"""Send buffer of an agent's channel."""


class ProcessPlace:
    """A place that lives exactly as long as one process. See :class:`tare.runners.model.Place`."""

    what = say("place.top_process", "the place's top process")
    """Name of the process in failure texts."""
    leave_seconds = LEAVE_SECONDS
    host_network = ""
    host_scratch: Path | None = None

    _session: AgentSession
    _spawned: Spawned

    def __init__(self, launcher: Launcher, undo_log: UndoLog) -> None:
        self.timeline: dict[str, int] = {}
        self.clock_error = 0.0
        self.usage: Usage | None = None
        """Usage of the top process and of all that it waited for; ``None`` until the place is closed."""
        self.metrics: tuple[Metric, ...] = ()
        self._launcher, self._undo_log = launcher, undo_log
        self._gone: Gone | None = None
        self._never_lived = False
        """True if the process ended before it ran its program."""
        self._closed = False
        self._undo = ExitStack()

    def close(self) -> None:
        """See :class:`tare.runners.model.Place`. What cannot be undone once the top process has ended is noted."""
        if self._closed:
            return
        self._closed = True
        try:
            if not (self._ask_to_leave() and self._ended(self.leave_seconds)):
                self._kill()
                if not self._ended(KILLED_SECONDS):
                    raise PlaceFailure(
                        say(
                            "place.not_killed",
                            "{what} (pid {pid}) cannot be killed",
                            what=self.what,
                            pid=self._spawned.pid,
                        ),
                        remedy=say(
                            "remedy.state_d",
                            "look for a process in state D: `ps -eo pid,stat,wchan,comm | grep tare`",
                        ),
                        log=self._log(),
                    )
            if self._gone:
                self.timeline["gone"] = self._gone.gone_ns
                self.usage = self._gone.usage
        except LauncherLostError:
            # What the launcher makes dies with it, so the process is gone; nobody knows since when.
            pass
        finally:
            self._tidy_up()

    def _tidy_up(self) -> None:
        """Undo all that was made for the place. What cannot be undone is noted, and hides no other failure."""
        with self._undo_log.noting(self.what):
            self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except (TareError, OSError):
            if error is None:
                raise

    def _ask_to_leave(self) -> bool:
        """Tell the agent to exit; false if it cannot have heard."""
        self._session.exit()
        return True

    def _kill(self) -> None:
        self._launcher.kill(self._spawned.id)

    def _log(self) -> str:
        """Return the end of the place's output, for a failure's log."""
        return ""

    def _ended(self, timeout_seconds: float) -> bool:
        """Wait for the top process to end; tell whether it has."""
        if self._gone is None and not self._never_lived:
            try:
                self._gone = self._launcher.wait(self._spawned.id, timeout_seconds)
            except SpawnError:
                self._never_lived = True
        return self._never_lived or self._gone is not None
