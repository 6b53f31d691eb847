"""Recover from the death of a process that the run depends on: the launcher, an engine's daemon, a namespace's holder.

The launcher is started again once, with all runners prepared anew. A runner whose openings suddenly fail, having worked
before, is prepared anew once before it is given up; that starts a private daemon again, and says of another one that it
is gone. Trials that failed meanwhile stay failed, and the manifest says when what was prepared again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tare.results.record import BASE, CONTROL_SUFFIX
from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.launcher.processes import LauncherLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tare.bench.campaign.provision import Provisioned


class Recovery(msgspec.Struct):
    """Prepare anew, in the course of one run, what was killed."""

    provisioned: Provisioned
    keys: tuple[str, ...]
    """Runner keys of the plan that can work here."""
    say: Callable[[str], None]
    """Told of everything that is started or prepared again."""
    epoch: int = 0
    """Number of times that something was prepared anew. Places that were opened before are no longer used."""
    told: list[str] = msgspec.field(default_factory=list)
    """What happened, as sentences for the manifest."""
    _restarted: bool = False
    _again: set[str] = msgspec.field(default_factory=set)
    """Runners that were prepared anew because their openings failed."""

    def check_launcher(self) -> dict[str, str]:
        """Start the launcher again if it was killed. Cheap if it was not.

        Returns:
            Runner key → reason, for those that could not be prepared anew.

        Raises:
            LauncherLostError: it was killed a second time, or the base cannot be prepared without it.
        """
        launcher = self.provisioned.bench.supplies.context.launcher
        if not launcher.lost:
            return {}
        if self._restarted:
            raise LauncherLostError(say("launcher.killed_again", "tare's launcher was killed again"))
        self._restarted = True
        self._tell(
            say(
                "progress.launcher_killed",
                "tare's launcher was killed; starting it again, and preparing all runners anew",
            )
        )
        runners = [self.provisioned.runner(key) for key in self.keys]
        for runner in runners:
            with self.provisioned.undo_log.noting(f"runner {runner.label}"):
                runner.close()
        if self.provisioned.bench.siblings:
            self.provisioned.bench.siblings.close()
        launcher.restart()
        return self._prepare(self.keys)

    def prepare_again(self, key: str) -> str | None:
        """Prepare a runner anew, once in a run.

        Returns:
            Empty if it is prepared; the reason why it cannot be; ``None`` if it was prepared anew before.
        """
        key = key.removesuffix(CONTROL_SUFFIX)
        if key in self._again or key not in self.keys:
            return None
        self._again.add(key)
        self._tell(
            say("progress.preparing_anew", "{key} worked before and now fails; preparing it anew", key=key)
        )
        return self._prepare((key,)).get(key, "")

    def _prepare(self, keys: Iterable[str]) -> dict[str, str]:
        self.epoch += 1
        reasons = {}
        for key in keys:
            try:
                image = self.provisioned.image_of(key)
                self.provisioned.runner(key).prepare(image, self.provisioned.limits)
            except (TareError, OSError) as error:
                if key == BASE:
                    raise LauncherLostError(
                        say(
                            "run.not_prepared_anew",
                            "{key} cannot be prepared anew: {error}",
                            key=key,
                            error=error,
                        )
                    ) from error
                reasons[key] = say("run.not_anew", "it cannot be prepared anew: {error}", error=error)
        return reasons

    def _tell(self, what: str) -> None:
        self.told.append(what)
        self.say(what)
