"""Delay a launcher's processes by a known time: a deliberate slowdown inside the measured path, for calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

from tare.runners.launcher.steps.process import Spin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from tare.runners.launcher.client import Launcher
    from tare.runners.launcher.processes import Spawned, SpawnRequest
    from tare.runners.launcher.steps.base import Step


class DelayedLauncher:
    """A :class:`~tare.runners.launcher.client.Launcher` whose processes spin before they take their other steps.

    The spin is between ``spawned`` and the agent's first instruction, so it is in the timeline and in the process'
    CPU time, as any work there would be. Processes of launchers started inside are delayed, too; these launchers are
    not.
    """

    def __init__(self, launcher: Launcher, seconds: float) -> None:
        self._launcher, self._steps = launcher, (Spin(seconds),)
        self.seconds = seconds

    def spawn(self, request: SpawnRequest, timeout_seconds: float | None = None) -> Spawned:
        """Make a process that spins first. See :meth:`tare.runners.launcher.client.Launcher.spawn`."""
        delayed = replace(request, steps=(*self._steps, *request.steps))
        return self._launcher.spawn(delayed, timeout_seconds)

    def inside(self, steps: tuple[Step, ...], environ: Mapping[str, str]) -> DelayedLauncher:
        """Start a delayed launcher. See :meth:`tare.runners.launcher.client.Launcher.inside`."""
        return DelayedLauncher(self._launcher.inside(steps, environ), self.seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._launcher, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._launcher.close()
