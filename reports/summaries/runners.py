"""Put runners into display order and give each its colour."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from tare.results.record import BASE, CONTROL, CONTROL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.model import RunnerKind, RunnerStyle
    from tare.results.record import Trial

CONTROL_COLOR = "#a9b0ba"
"""Colour of the base's second measurement: a paler grey than the base's own."""

_OTHER_COLORS = ("#6b8e23", "#b8860b", "#9467bd", "#20948b", "#c06c84", "#5b7db1", "#a0522d", "#7b6fb0")
"""Colours of runners without a style: those of imported runs, and of two variants measured side by side."""


class RunnerDisplay(msgspec.Struct, frozen=True):
    """Order and colour runners by their labels: ``NAME[:VARIANT][(tcg)][@SIDE]``."""

    styles: Mapping[str, RunnerStyle]
    """Name, without variant → style, in display order."""

    def rank(self, label: str) -> tuple[int, int, str]:
        """Give the sort key of a label: the base first, then known runners in their order, then all others by name."""
        name = re.split(r"[:(@]", label, maxsplit=1)[0].removesuffix(CONTROL_SUFFIX)
        names = [BASE, *(known for known in self.styles if known != BASE)]
        at = names.index(name) if name in names else len(names)
        return at, self._variant_rank(name, label), label

    def _variant_rank(self, name: str, label: str) -> int:
        """Give a variant's place in its runner's order: unknown ones last, none at all first unless it has a place."""
        known = self.styles[name].variants if name in self.styles else ()
        order = [one.removeprefix("+") for one in known]
        variant = label.partition("(")[0].partition(":")[2].removeprefix("+")
        if variant in order:
            return order.index(variant)
        return len(order) if variant else -1

    def kind(self, label: str) -> RunnerKind:
        """Give the kind of a runner's places; empty where it has no style."""
        style = self.styles.get(re.split(r"[:(@]", label, maxsplit=1)[0])
        return style.kind if style else ""

    def color(self, label: str) -> str:
        """Give the one colour that a runner has in every figure; without a style it depends on the label alone."""
        if label == CONTROL:
            return CONTROL_COLOR
        name = re.split(r"[:(]", label, maxsplit=1)[0]
        if name in self.styles:
            return self.styles[name].color
        return _OTHER_COLORS[sum(label.encode()) % len(_OTHER_COLORS)]


def series_name(trial: Trial) -> str:
    """Give the runner's label; the base's second measurement has a name of its own."""
    return CONTROL if trial.control else trial.runner
