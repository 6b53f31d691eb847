"""Make runners beside those that a run was asked for: the same places with a network, or with other limits.

They belong to experiments. Each is made and prepared once, when it is first asked for, and closed with the run. Each has
a run id, a work folder and cgroups of its own, so that it never meets a runner of the same name. All ids are equally
long: a longer environment would move the stacks of programs, and with them the times.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from tare.bench.planning.variants import SIGN
from tare.results.said import say
from tare.results.storage.store import new_run_id
from tare.runners import cleanup
from tare.runners.errors import Missing, TareError
from tare.runners.registry import make

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tare.runners.context import Runner, Supplies
    from tare.runners.images.image import Image
    from tare.runners.model import Limits


class _Sibling(msgspec.Struct, frozen=True):
    runner: Runner
    undo: ExitStack
    """Closes the runner and removes what its run made."""


class Siblings(msgspec.Struct):
    """The further runners of one run."""

    supplies: Supplies
    make: Callable[[str, Supplies], Runner] = make
    own_run: Callable[[Path, str, Path], AbstractContextManager[None]] = cleanup.register
    """See :func:`tare.runners.cleanup.register`."""
    _made: dict[tuple[str, str, Limits], _Sibling | Missing] = msgspec.field(default_factory=dict)
    """Name, image key and limits → the prepared runner, or the refusal."""
    _images: dict[Hashable, Image] = msgspec.field(default_factory=dict)

    def image(self, whose: Hashable, build: Callable[[], Image]) -> Image:
        """Return an experiment's own image, which is built when it is first asked for; that takes seconds each time."""
        if whose not in self._images:
            self._images[whose] = build()
        return self._images[whose]

    def get(self, name: str, image: Image, limits: Limits) -> Runner:
        """Return the runner of that name, prepared; untimed, and slow the first time.

        Raises:
            Missing: it does not work here; the refusal is remembered.
        """
        if SIGN in name:
            # It would be made by the common settings, and both sides of a comparison would measure the same.
            raise Missing(
                say(
                    "plan.variant",
                    "{name} is a variant of a comparison, beside which no other runner can be made.",
                    name=name,
                ),
                "",
            )
        key = name, image.key, limits
        if key not in self._made:
            try:
                self._made[key] = self._prepared(name, image, limits)
            except Missing as refusal:
                self._made[key] = refusal
        found = self._made[key]
        if isinstance(found, Missing):
            raise Missing(found.reason, found.remedy)
        return found.runner

    def close(self) -> None:
        """Close all of them; they are made anew when they are asked for again."""
        made = [one for one in self._made.values() if isinstance(one, _Sibling)]
        self._made.clear()
        for sibling in made:
            with self.supplies.context.undo_log.noting(f"runner {sibling.runner.label}"):
                sibling.undo.close()

    def _prepared(self, name: str, image: Image, limits: Limits) -> _Sibling:
        context = self.supplies.context
        run = new_run_id()
        workdir = context.workdir.with_name(f"tare-{run}")
        with ExitStack() as undo:
            undo.enter_context(self.own_run(context.cache, run, workdir))
            runner = self.make(
                name, replace(self.supplies, context=replace(context, run=run, workdir=workdir))
            )
            undo.callback(runner.close)
            try:
                probe = runner.probe()
                if not probe.ok:
                    raise Missing(probe.reason, probe.remedy)
                runner.prepare(image, limits)
            except (TareError, OSError) as error:
                raise Missing(getattr(error, "reason", str(error)), getattr(error, "remedy", "")) from error
            return _Sibling(runner, undo.pop_all())
