"""Run places that three commands make: one creates the container, one starts it, one deletes it.

Examples are ``runc create``, ``start`` and ``delete``, or ``podman create``, ``start`` and ``rm``. The container is an
orphan of the first command, so the runner needs a launcher of its own (see
:attr:`~tare.runners.places.commanded.CommandPlan.sweep`), and a pidfd tells of the container's end.

Timeline: ``created`` is the end of the first command, ``ended`` the request of the last one. Between two commands lies
the suite's own work, some 0.1 ms. ``usage`` stays ``None``: nobody waits for the container.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.results.said import say
from tare.runners.errors import PlaceFailure
from tare.runners.launcher.processes import LauncherError, SpawnRequest
from tare.runners.places.commanded import CommandedPlace, CommandPlan, ended_how
from tare.runners.places.host import ENDING_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.launcher.processes import Gone, Spawned
    from tare.runners.model import Job


class CreatedPlan(CommandPlan, frozen=True, kw_only=True):
    """A runner's order for a place that commands make; ``argv`` creates the container with the channel as streams."""

    start: tuple[str, ...]
    """Command that starts the container."""
    delete: tuple[str, ...]
    """Command that deletes the container."""
    pid_file: Path
    """File in which the first command leaves the host's pid of the container's first process."""


class CreatedPlace(CommandedPlace):
    """See :class:`tare.runners.model.Place`."""

    one_command = False

    def __init__(self, plan: CreatedPlan, first: Job | None) -> None:
        self._apart = plan
        self._created_ns = 0
        self._container = -1
        """The pidfd of the container's first process."""
        super().__init__(plan, first)
        self.timeline["created"] = self._created_ns

    def close(self) -> None:
        """See :class:`tare.runners.model.Place`."""
        super().close()
        self.usage = None

    def _spawn(self, request: SpawnRequest, *, quiet: bool) -> Spawned:
        del quiet
        spawned, created = self._to_its_end(replace(request, quiet=True))
        if created.exit_code:
            raise self._explained_end(PlaceFailure("", log=self._log()), created)
        self._created_ns = created.gone_ns
        try:
            self._container = os.pidfd_open(int(self._apart.pid_file.read_text("ascii")))
        except (OSError, ValueError) as error:
            raise self._failed(
                say(
                    "place.no_container",
                    "{what} left no container behind: {error}",
                    what=self.what,
                    error=error,
                )
            ) from error
        self._undo.callback(os.close, self._container)
        _, started = self._command(self._apart.start)
        if started.exit_code:
            raise self._failed(
                say(
                    "place.container_not_started",
                    "{what} made a container that cannot be started{last_words}",
                    what=self.what,
                    last_words=self._last_words(),
                )
            )
        return spawned

    def _ended(self, timeout_seconds: float) -> bool:
        """Wait for the container to end, and delete it; tell whether it has."""
        if self._gone is None and self._container_ended(timeout_seconds):
            spawned, self._gone = self._command(self._apart.delete)
            self.timeline["ended"] = spawned.requested_ns
            if self._gone.exit_code:
                raise self._failed(
                    say(
                        "place.container_not_deleted",
                        "the container cannot be deleted: the command {ended_how}{last_words}",
                        ended_how=ended_how(self._gone),
                        last_words=self._last_words(),
                    )
                )
        return self._gone is not None

    def _container_ended(self, timeout_seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._container, select.POLLIN)
        return bool(poll.poll(timeout_seconds * 1000))

    def _kill(self) -> None:
        """Kill the container itself: :attr:`CommandPlan.undo` comes too late for its end to be seen."""
        if self._cgroup:
            self._cgroup.kill()
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._container, signal.SIGKILL)

    def _top_ended(self, spawned: Spawned, timeout_seconds: float) -> Gone | None:
        """Return nothing: the command that created the container ended long ago, without an error."""
        del spawned, timeout_seconds
        return None

    def _explained_life(self, reason: str) -> str:
        if self._container_ended(ENDING_SECONDS):
            return say(
                "place.created_ended", "the container that {what} made ended{when}{words}",
                what=self.what, when=self._when(), words=self._last_words(),
            )  # fmt: skip
        return say(
            "place.created_runs", "the container that {what} made still runs, but: {reason}",
            what=self.what, reason=reason,
        )  # fmt: skip

    def _command(self, argv: tuple[str, ...]) -> tuple[Spawned, Gone]:
        """Run one of the other commands to its end, with the same stderr."""
        return self._to_its_end(
            SpawnRequest(
                argv,
                environ={**self._apart.environ, "TARE_RUN": self._run},
                fds={2: self._stderr.write_fd},
                quiet=True,
            )
        )

    def _to_its_end(self, request: SpawnRequest) -> tuple[Spawned, Gone]:
        spawned = self._launcher.spawn(request, self.hello_seconds)
        gone = self._launcher.wait(spawned.id, self.hello_seconds)
        if gone is None:
            raise LauncherError(
                say(
                    "launcher.unknown_end",
                    "{argv} ended, and the launcher does not say how",
                    argv=request.argv[0],
                )
            )
        return spawned, gone

    def _failed(self, reason: str) -> PlaceFailure:
        return PlaceFailure(
            reason, remedy=say("remedy.see_log", "see the log for what it said"), log=self._log()
        )
