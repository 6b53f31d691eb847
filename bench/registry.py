"""The runners by name. Each is imported only when it is asked for."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from results.record import CONTROL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runners.model import RunContext, Runner
    from runners.provision.tools import Provision

BASE = "bare"
"""Ratios are taken to this runner; it is measured in every run, and twice."""

CONTROL = BASE + CONTROL_SUFFIX
"""The name under which the base is measured a second time: the A/A control."""


@dataclass(frozen=True, slots=True)
class Supplies:
    """What makers of runners may draw on."""

    context: RunContext
    provision: Provision
    settings: Mapping[str, Any]


def _bare(supplies: Supplies, _name: str) -> Runner:
    from runners.bare import Bare  # noqa: PLC0415

    return Bare(supplies.context)


def _namespaces(supplies: Supplies, name: str) -> Runner:
    from runners.namespaces import Namespaces  # noqa: PLC0415

    return Namespaces(supplies.context, name=name)


def _qemu(supplies: Supplies, name: str) -> Runner:
    from runners.qemu.runner import QemuRunner  # noqa: PLC0415

    settings = {**supplies.settings, "guest.console": supplies.settings["guest.console"] == "yes"}
    return QemuRunner(supplies.context, supplies.provision, settings, profile=name.removeprefix("qemu-"))


MAKERS = {
    "bare": _bare,
    "namespaces": _namespaces,
    "qemu-microvm": _qemu,
    "qemu-q35": _qemu,
}
"""``namespaces:+RUNG`` stands for the container up to that rung of the isolation ladder."""

DEFAULT = ("bare", "namespaces", "qemu-microvm", "qemu-q35")
QUICK = ("bare", "namespaces", "qemu-microvm")


def check(asked: Sequence[str]) -> tuple[str, ...]:
    """The asked runners with the base in front.

    Raises:
        UsageError: a name is unknown; the text offers near ones.
    """
    for name in asked:
        kind, _, rung = name.partition(":")
        if kind not in MAKERS or (rung and kind != "namespaces"):
            near = difflib.get_close_matches(name, MAKERS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"--runners: unknown runner {name!r}{hint} Known are {', '.join(MAKERS)}")
    return tuple(dict.fromkeys((BASE, *asked)))


def make(name: str, supplies: Supplies) -> Runner:
    """The runner of that name."""
    return MAKERS[name.partition(":")[0]](supplies, name)
