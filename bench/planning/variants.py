"""Make variants of a runner for one campaign: with other settings, or slowed down on purpose.

Each variant has a run id, a work folder and cgroups of its own, so that two of one kind never meet. The ids are equally
long: a longer environment would move the stacks of programs, and with them the times.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import msgspec

from tare.runners import cleanup
from tare.runners.places.slowdown import DelayedLauncher
from tare.runners.registry import make

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from tare.bench.request.settings import Settings
    from tare.results.record import Accelerator
    from tare.runners.context import Runner, Supplies
    from tare.runners.images.image import Image
    from tare.runners.launcher.client import Launcher
    from tare.runners.model import Job, Limits, Place, Probe

SIGN = "@"
"""Separator of a runner's label and its variant's name."""


class Variant(msgspec.Struct, frozen=True):
    """Differences of a variant from the run's settings."""

    name: str
    settings: Settings | None = None
    """All settings of the variant. ``None``: those of the run."""
    delay_seconds: Mapping[str, float] = msgspec.field(default_factory=dict)
    """Runner key → seconds that the top process of each of its places spins, within its start."""


class VariantRunner:
    """Runner that goes by its variant's name. See :class:`tare.runners.context.Runner`."""

    def __init__(self, runner: Runner, variant: str, close: ExitStack) -> None:
        self._runner, self._suffix, self._close = runner, f"{SIGN}{variant}", close
        self.name = f"{runner.name}{self._suffix}"
        self.accelerator: Accelerator = runner.accelerator

    @property
    def label(self) -> str:
        """See :class:`tare.runners.context.Runner`."""
        return f"{self._runner.label}{self._suffix}"

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`."""
        found = self._runner.probe()
        self.accelerator = self._runner.accelerator
        return found

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._runner.prepare(image, limits)

    def open(self, first: Job | None = None) -> AbstractContextManager[Place]:
        """See :class:`tare.runners.context.Runner`."""
        return self._runner.open(first)

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        with self._close:
            self._runner.close()


def make_variants(supplies: Supplies, keys: Sequence[str], variants: Sequence[Variant]) -> dict[str, Runner]:
    """Make a runner for each key and variant: ``KEY@VARIANT`` → runner. Closing a runner ends its run."""
    made: dict[str, Runner] = {}
    with ExitStack() as undo:
        for number, (key, variant) in enumerate((key, variant) for key in keys for variant in variants):
            stack = ExitStack()
            undo.push(stack)
            context = supplies.context
            run = f"{context.run}-{number:02}"
            workdir = context.workdir.with_name(f"tare-{run}")
            stack.enter_context(cleanup.register(context.cache, run, workdir))
            launcher = context.launcher
            if delay := variant.delay_seconds.get(key):
                launcher = cast("Launcher", DelayedLauncher(launcher, delay))
            own = msgspec.structs.replace(
                supplies,
                context=msgspec.structs.replace(context, run=run, workdir=workdir, launcher=launcher),
                provision=replace(
                    supplies.provision,
                    chosen=variant.settings.run.tools if variant.settings else supplies.provision.chosen,
                ),
                settings=variant.settings.for_runners() if variant.settings else supplies.settings,
            )
            made[f"{key}{SIGN}{variant.name}"] = VariantRunner(make(key, own), variant.name, stack)
        undo.pop_all()
    return made
