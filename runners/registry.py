"""List the runners: one row each, with everything that has to be known of it before its module is imported.

A runner is one folder or file and one row of :data:`RUNNERS`. ``CONTRIBUTING.md`` says how to add one.
"""

from __future__ import annotations

import importlib
import os
import re
from typing import TYPE_CHECKING, Literal, cast

import msgspec

from tare.results.nearest import nearest, suggested
from tare.results.record import BASE, CONTROL
from tare.results.said import listed, say
from tare.runners.entry_points import load_group, said_of
from tare.runners.errors import SettingRefused
from tare.runners.refusing import Refusing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tare.runners.context import Runner, Supplies
    from tare.runners.entry_points import Addition
    from tare.runners.model import Variants

Kind = Literal["host", "container", "engine", "guest"]

KINDS: tuple[Kind, ...] = ("host", "container", "engine", "guest")
"""Kinds of runners in the order of reports, from the lightest kind of place to the heaviest.

``host``: a process on bare metal. ``container``: made by Tare itself or by one command. ``engine``: a container made by
a daemon or a tool that keeps images. ``guest``: a virtual machine.
"""


class RunnerRow(msgspec.Struct, frozen=True):
    """One runner: its name, where its code is, and how reports show it."""

    name: str
    """The runner's name, or the part of it before the colon where it has variants: ``namespaces:+pid``."""
    kind: Kind
    rank: int
    """Place within its kind in reports, lowest first; the gaps leave room for new rows."""
    color: str
    """``#rrggbb``; the same in every figure of every report."""
    factory: str
    """``module:function``, imported when the runner is asked for. Gets the supplies and the whole name."""
    variants: str = ""
    """``module:object`` of type :class:`~tare.runners.model.Variants`; empty: the runner has no variants."""
    connected: tuple[str, ...] = ()
    """Variants that add a network, best first, where the places of the plain runner have none."""

    def make(self, supplies: Supplies, name: str) -> Runner:
        """Make the runner. ``name``: its whole name, variant included."""
        return cast("Callable[[Supplies, str], Runner]", _load(self.factory))(supplies, name)

    def known_variants(self) -> Variants | None:
        """Import the runner's variants; ``None`` if it has none."""
        return cast("Variants", _load(self.variants)) if self.variants else None


_OF_RUNNERS = ("probe", "prepare", "open", "close")
"""Methods of :class:`~tare.runners.context.Runner`."""

_C, _G = "tare.runners.containers", "tare.runners.guests"
_OCI = (f"{_C}.oci.runner:make", f"{_C}.oci.runtimes:VARIANTS")
_ENGINE_VARIANTS = f"{_C}.engines.variant:VARIANTS"
_QEMU = (f"{_G}.qemu.runner:make", f"{_G}.qemu.variants:VARIANTS", ("net=tap", "net=user"))
_MICROVM = f"{_G}.microvms.runner:make"

RUNNERS = {
    row.name: row
    for row in (
        RunnerRow("bare", "host", 10, "#7a828e", "tare.runners.bare:make"),
        RunnerRow("namespaces", "container", 10, "#1a83c9", f"{_C}.namespaces.runner:make",
                  f"{_C}.namespaces.ladder:VARIANTS", ("bridge",)),
        RunnerRow("runc", "container", 50, "#009e73", *_OCI),
        RunnerRow("crun", "container", 30, "#3fb2e3", *_OCI),
        RunnerRow("youki", "container", 40, "#b8860b", *_OCI),
        RunnerRow("runsc", "container", 60, "#20948b", *_OCI),
        RunnerRow("kata", "guest", 50, "#9467bd", *_OCI),
        RunnerRow("podman", "engine", 40, "#8a5fbf", f"{_C}.engines.podman:make", _ENGINE_VARIANTS),
        RunnerRow("bubblewrap", "container", 20, "#7f8f1a", f"{_C}.other.bubblewrap:make"),
        RunnerRow("systemd-nspawn", "container", 80, "#5f9ea0", f"{_C}.other.nspawn:make"),
        RunnerRow("lxc", "container", 70, "#b0475c", f"{_C}.other.lxc:make"),
        RunnerRow("docker", "engine", 20, "#c98a00", f"{_C}.engines.docker:make", _ENGINE_VARIANTS),
        RunnerRow("containerd", "engine", 10, "#8c5a3c", f"{_C}.cri.availability:make"),
        RunnerRow("kubernetes", "engine", 30, "#4a63c9", f"{_C}.kubernetes.runner:make"),
        RunnerRow("qemu-microvm", "guest", 60, "#d55e00", *_QEMU),
        RunnerRow("qemu-q35", "guest", 90, "#c2599b", *_QEMU),
        RunnerRow("qemu-q35-firmware", "guest", 100, "#6b8e23", *_QEMU),
        RunnerRow("qemu-pc", "guest", 80, "#5b7db1", *_QEMU),
        RunnerRow("qemu-microvm-restored", "guest", 70, "#7b6fb0", *_QEMU),
        RunnerRow("qemu-q35-restored", "guest", 110, "#4f8a5b", *_QEMU),
        RunnerRow("firecracker", "guest", 30, "#e0402f", _MICROVM),
        RunnerRow("firecracker-restored", "guest", 40, "#a0522d", _MICROVM),
        RunnerRow("cloud-hypervisor", "guest", 10, "#2f8f8f", _MICROVM),
        RunnerRow("cloud-hypervisor-restored", "guest", 20, "#c06c84", _MICROVM),
    )
}  # fmt: skip
"""Name → row, in the order of messages and of ``tare doctor``. Colours begin with Okabe and Ito's palette (2008)."""

LADDER = "ladder"
"""Word that stands for all rungs of the isolation ladder where runners are asked for."""

ENTRY_POINTS = "tare.runners"
"""Group of entry points by which other packages add runners. Each is a :class:`RunnerRow`, or a list of them."""

DEFAULT = ("bare", "namespaces", "qemu-microvm", "qemu-q35")
QUICK = ("bare", "namespaces", "qemu-microvm")


def rows() -> Mapping[str, RunnerRow]:
    """Give :data:`RUNNERS`, and the rows that other packages add."""
    return {**RUNNERS, **{name: one.content for name, one in _additions()[0].items()}}


def problems() -> tuple[str, ...]:
    """List sentences about runners of other packages that cannot be used."""
    return _additions()[1]


def origin_of(name: str) -> str:
    """Name the package of a runner, as messages do; empty for the suite's own."""
    added = _additions()[0].get(name.partition(":")[0])
    return added.origin if added else ""


def _additions() -> tuple[dict[str, Addition], tuple[str, ...]]:
    additions = load_group(ENTRY_POINTS)
    found: dict[str, Addition] = {}
    wrong = list(additions.problems)
    for one in additions.found:
        if problem := _problem(one.content, {*RUNNERS, *found, LADDER, CONTROL}):
            wrong.append(one.problem(problem))
        else:
            found[one.content.name] = one
    return found, tuple(wrong)


def _problem(row: object, taken: set[str]) -> str:
    """Say what is wrong with the row of another package; empty: nothing."""
    if not isinstance(row, RunnerRow):
        return say(
            "addition.no_row", "it is {name}, and no RunnerRow, or list of them", name=type(row).__name__
        )
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", str(row.name)):
        return say(
            "addition.bad_name", "a runner cannot be called {name!r}; names have small letters, digits and dashes",
            name=str(row.name),
        )  # fmt: skip
    if row.name in taken:
        return say("addition.runner_taken", "there is a runner {name} already", name=row.name)
    if row.kind not in KINDS:
        return say(
            "addition.bad_kind", "{name} is of kind {given!r}; kinds are {names}",
            name=row.name, given=str(row.kind), names=", ".join(KINDS),
        )  # fmt: skip
    if not re.fullmatch("#[0-9a-f]{6}", str(row.color)):
        return say(
            "addition.bad_color", "{name} has the colour {color!r}, which is not like #1a83c9",
            name=row.name, color=str(row.color),
        )  # fmt: skip
    return _unloadable(row)


def _unloadable(row: RunnerRow) -> str:
    """Say which code that a row names cannot be loaded; empty: none."""
    for path in filter(None, (row.factory, row.variants)):
        try:
            _load(path)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's module does
            return say(
                "addition.row_not_loaded", "{path!r} of {name} cannot be loaded ({error})",
                path=path, name=row.name, error=said_of(error),
            )  # fmt: skip
    return ""


def check(asked: Sequence[str]) -> tuple[str, ...]:
    """Expand and check the names of runners.

    Args:
        asked: names in any order; :data:`LADDER` stands for the rungs of the ladder.

    Returns:
        Each name once, in the one way in which its variant is spelled, with the base in front.

    Raises:
        SettingRefused: a name is unknown; the message suggests near ones.
    """
    names = [one for name in asked for one in (_ladder() if name == LADDER else (name,))]
    return tuple(dict.fromkeys((BASE, *map(_checked, names))))


def make(name: str, supplies: Supplies) -> Runner:
    """Make the runner of that name, which has been checked; one of another package that fails refuses all places."""
    row = rows()[name.partition(":")[0]]
    origin = origin_of(name)
    if not origin:
        return row.make(supplies, name)
    try:
        runner = row.make(supplies, name)
        lacking = [one for one in _OF_RUNNERS if not hasattr(type(runner), one)]
        wrong = ""
        if lacking:
            wrong = say(
                "addition.lacks",
                "it made {name}, which has no {part}",
                name=type(runner).__name__,
                part=lacking[0],
            )
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's module does
        wrong = say("addition.not_made", "it could not be made ({error})", error=said_of(error))
    remedy = say("remedy.update_package", "update its package, or do not name it")
    return Refusing(name, listed((origin, wrong), ": "), remedy) if wrong else runner


def connected(name: str) -> tuple[str, ...]:
    """List runners that make the same places with a network, best first; none where the name itself says which.

    Args:
        name: name of a runner, which has been checked.
    """
    own, _, variant = name.partition(":")
    row = rows().get(own)
    if row is None or variant in row.connected:
        return ()
    if not variant:
        return tuple(f"{own}:{one}" for one in row.connected)
    variants = row.known_variants()
    both = [f"{variant}+{one}" for one in row.connected]
    return tuple(
        f"{own}:{variants.spelled(one)}" for one in both if variants and not variants.problem(own, one)
    )


def by_display_order() -> tuple[RunnerRow, ...]:
    """List the rows in the order of reports."""
    return tuple(sorted(rows().values(), key=lambda row: (KINDS.index(row.kind), row.rank)))


def _checked(name: str) -> str:
    own, colon, variant = name.partition(":")
    row = rows().get(own)
    if row is None:
        raise SettingRefused("--runners", _unknown(name))
    if not colon:
        return name
    variants = row.known_variants()
    wrong = (
        variants.problem(own, variant)
        if variants
        else say("runner.no_variants", "{name} has no variants", name=own)
    )
    if wrong:
        raise SettingRefused(
            "--runners", say("runner.unknown", "there is no runner {name!r}: {wrong}", name=name, wrong=wrong)
        )
    return f"{own}:{variants.spelled(variant)}" if variants and variant else name


def _unknown(name: str) -> str:
    known = (*rows(), LADDER)
    front, bracket, inside = name.partition("[")
    own = front.partition(":")[0]
    near = nearest(own, known)
    if bracket:
        # As pytest writes parameters.
        meant = f"{near or own}:{inside.rstrip(']').replace(',', '+')}"
        hint = say(
            "runner.variants_written", "; variants are written RUNNER:WORD+WORD: {meant}.", meant=meant
        )
    else:
        hint = suggested(f"{near}{name.removeprefix(own)}") if near else "."
    unknown = say(
        "runner.not_there", "there is no runner {name!r}{hint} Known are {known}.",
        name=name, hint=hint, known=", ".join(known),
    )  # fmt: skip
    return listed((unknown, *problems()), " ")


def _ladder() -> tuple[str, ...]:
    from tare.runners.containers.namespaces.ladder import ladder  # noqa: PLC0415 - only if asked for

    return ladder(root=os.getuid() == 0)


def _load(path: str) -> object:
    module, _, name = path.partition(":")
    found: object = getattr(importlib.import_module(module), name)
    return found
