"""Keep the steady-state places open."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import msgspec

from tare.results.said import say
from tare.runners.errors import PlaceFailure, TareError, as_failure

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from types import TracebackType

    from tare.bench.campaign.failures import Failures
    from tare.bench.campaign.provision import Provisioned
    from tare.bench.campaign.recorder import Recorder
    from tare.runners.model import Place


class OpenPlace(msgspec.Struct, frozen=True):
    """A steady-state place that is open, and which opening it is."""

    place: Place
    invocation: int
    epoch: int
    """:attr:`Failures.epoch` at the opening."""
    prepared: set[tuple[str, ...]] = msgspec.field(default_factory=set)
    """Command lines of preparations that were done in it."""


class OpenPlaces(msgspec.Struct):
    """Open places by runner key. Leaving the context closes them, in the reverse order of opening."""

    provisioned: Provisioned
    recorder: Recorder
    openings: Failures
    """Failed openings by runner key."""
    _open: dict[str, OpenPlace] = msgspec.field(default_factory=dict)
    _stack: ExitStack = msgspec.field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def keys(self) -> AbstractSet[str]:
        """Runner keys whose places are open."""
        return self._open.keys()

    def open(self, key: str) -> OpenPlace | PlaceFailure:
        """Open a place of a runner, or return why it could not be opened; either is counted."""
        began = time.monotonic()
        invocation = self.recorder.next_invocation()
        try:
            runner = self.provisioned.runner(key)
            log = self.provisioned.undo_log
            place = self._stack.enter_context(
                log.leaving(say("left.place", "a place of {name}", name=runner.label), runner.open())
            )
        except (TareError, OSError) as error:
            failure = as_failure(error)
            self.openings.failed(key, failure)
            return failure
        self.openings.succeeded(key)
        self._open[key] = OpenPlace(place, invocation, self.openings.epoch)
        self.recorder.costs.add(f"open@{key}", time.monotonic() - began)
        return self._open[key]

    def opening(self, key: str) -> int | None:
        """Return the number of the opening of a runner's place; ``None`` if it is not open."""
        opened = self._open.get(key)
        return opened.invocation if opened else None

    def get(self, key: str) -> OpenPlace | PlaceFailure:
        """Return the runner's open place; open one if there is none, or if its runner may have been prepared anew."""
        opened = self._open.get(key)
        if opened and opened.epoch != self.openings.epoch:
            self.close(key)
            opened = None
        return opened or self.open(key)

    def close(self, key: str) -> None:
        """Close a place; the next :meth:`get` opens another, under another invocation."""
        with self.provisioned.undo_log.noting(
            say("left.place", "a place of {name}", name=self.provisioned.runner(key).label)
        ):
            self._open.pop(key).place.close()
