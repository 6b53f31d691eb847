"""Gather what tests want measured, from calls of the fixture ``tare`` and from markers, before anything is measured.

A test that takes the fixture is called while tests are collected, up to its call of ``tare``. Each combination of the
call's parameters becomes a test of its own, as does each variant of a workload that a marker names.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest

from tare.bench.catalogue import measurables
from tare.bench.own.calls import OwnWorkload, WorkloadOptions, workload
from tare.bench.own.expand import expand
from tare.bench.own.files import own_files, read_own
from tare.results.nearest import did_you_mean
from tare.results.said import say
from tare.runners.errors import TareError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tare.bench.measurable import Measurable
    from tare.bench.own.calls import Work
    from tare.bench.own.definition import Definition

RUNNER = "runner"
FIXTURE = "tare"
_PREFIXES = re.compile("^(bench|test)_+(?=.)")


class Gathered(BaseException):
    """End of a test that is called to gather its call; no handler of errors in the test takes it for one of its own."""

    def __init__(self, made: OwnWorkload) -> None:
        super().__init__(made.name)
        self.made = made


@dataclasses.dataclass(slots=True)
class Known:
    """Everything that the session's tests may measure."""

    config: Path | None
    """Settings file, beside which definitions are looked for. ``None``: the working directory's."""
    called: dict[str, tuple[Definition, str]] = dataclasses.field(default_factory=dict)
    """Name → definition of a call, and the test that it is in."""
    by_name: dict[str, Measurable] = dataclasses.field(default_factory=dict)
    """Name → what is measured, for all that tests have named."""
    _written: dict[str, Definition] | None = None

    def written(self) -> dict[str, Definition]:
        """Read the user's definitions in TOML when they are first needed."""
        if self._written is None:
            self._written = read_own(own_files(self.config))
        return self._written

    def own(self, names: Iterable[str]) -> dict[str, Definition]:
        """Give the definitions that these names need."""
        needed = {name.partition(":")[0] for name in names}
        found = {name: one for name, (one, _) in self.called.items() if name in needed}
        if needed - set(found) - {one.name for one in measurables()}:
            found |= {name: one for name, one in self.written().items() if name in needed}
        return found

    def variants(self, name: str) -> tuple[Measurable, ...]:
        """Find what a marker names, which may be several variants of a workload with parameters.

        Raises:
            UsageError: there is nothing of that name; the text says what was probably meant.
        """
        ours = {one.name: one for one in measurables()}
        if name in ours:
            return (ours[name],)
        own = expand(self.written())
        found = tuple(one for one in own if one.name == name or name in one.aliases)
        if not found:
            names = [*ours, *(word for one in own for word in (one.name, *one.aliases))]
            raise UsageError(say(
                "pytest.no_workload", "there is no workload {name!r}{did_you_mean} `tare workloads` lists them.",
                name=name, did_you_mean=did_you_mean(name, names),
            ))  # fmt: skip
        return found

    def take(self, made: OwnWorkload, test: str) -> tuple[Measurable, ...]:
        """Take up a call; return its variants.

        Raises:
            UsageError: its name is taken.
        """
        definition, other = self.called.setdefault(made.name, (made.definition, test))
        if definition != made.definition:
            raise UsageError(say(
                "pytest.twice", "{other} measures something else as {name}: give one of them name='…'.",
                other=other, name=made.name,
            ))  # fmt: skip
        if made.name in {word for one in measurables() for word in (one.name, one.family)}:
            raise UsageError(say(
                "pytest.clash", "{name} is one of the suite's workloads or families: give name='…'.",
                name=made.name,
            ))  # fmt: skip
        return expand({made.name: made.definition})


def called(what: Work, options: Mapping[str, Any], name: str) -> OwnWorkload:
    """Define what a test calls ``tare`` with; keywords that are no options are parameters, with their values.

    Raises:
        UsageError: it cannot be used; the text says what would be right.
    """
    known = WorkloadOptions.__optional_keys__
    given = {key: value for key, value in options.items() if key in known}
    more = {key: value for key, value in options.items() if key not in known}
    for key, values in more.items():
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise UsageError(say(
                "pytest.no_option",
                "there is no option {key!r}{did_you_mean} If it is a parameter, give a list of values, as in {key2}=[{values!r}].",
                key=key, did_you_mean=did_you_mean(key, sorted(known)), key2=key, values=values,
            ))  # fmt: skip
    parameters = {**given.get("parameters", {}), **more}
    return workload(what, **cast("WorkloadOptions", {"name": name, **given, "parameters": parameters}))


def expanded(
    items: Sequence[pytest.Function], known: Known, key: pytest.StashKey[str]
) -> list[pytest.Function]:
    """Make the tests that are to be measured of one function's; the name of each one's workload is kept under ``key``.

    Raises:
        pytest.Collector.CollectError: one of them cannot be measured; the text says why.
    """
    made: list[pytest.Function] = []
    gathered: dict[tuple[str, ...], tuple[Measurable, ...]] = {}
    for item in items:
        try:
            if FIXTURE in item.fixturenames:
                if _skips(item):
                    made.append(item)
                    continue
                call = tuple(f"{name}={value!r}" for name, value in _arguments(item).items())
                if call not in gathered:
                    gathered[call] = known.take(
                        _gather(item), f"{item.parent.name}::{item.originalname}" if item.parent else ""
                    )
                variants = gathered[call]
            else:
                variants = known.variants(marked(item))
        except _Skipped as skipped:
            item.add_marker(pytest.mark.skip(reason=str(skipped)))
            made.append(item)
            continue
        except TareError as error:
            _refuse(item, str(error))
        made += _copies(item, variants, key)
        known.by_name |= {one.name: one for one in variants}
    return made


def marked(item: pytest.Item) -> str:
    """Give the name in a test's marker."""
    marker = item.get_closest_marker("workload")
    return str(marker.args[0]) if marker and marker.args else ""


class _Skipped(Exception):
    """The test skips itself before its call."""


def _gather(item: pytest.Function) -> OwnWorkload:
    def record(what: Work, /, **options: Any) -> NoReturn:
        raise Gathered(called(what, options, _name(item)))

    try:
        item.obj(**{**_arguments(item), FIXTURE: record})
    except Gathered as found:
        return found.made
    except pytest.skip.Exception as error:
        raise _Skipped(str(error)) from error
    raise UsageError(
        say("pytest.not_called", "it takes the fixture {fixture} and does not call it.", fixture=FIXTURE)
    )


def _arguments(item: pytest.Function) -> dict[str, Any]:
    """Give the test's arguments besides the fixture, which have to be parameters.

    Raises:
        UsageError: one of them is another fixture, which has no value yet.
    """
    found = {}
    for name in item._fixtureinfo.argnames:  # noqa: SLF001 - in pytest since 2015, and nothing public has it
        if name == FIXTURE:
            continue
        if name not in item.callspec.params:
            raise UsageError(say(
                "pytest.fixture", "it takes the fixture {name} beside {fixture}, but is called while tests are collected, when no "
                "fixture has a value: make what it needs by prepare=…, or outside of the test.",
                name=name, fixture=FIXTURE,
            ))  # fmt: skip
        found[name] = item.callspec.params[name]
    return found


def _name(item: pytest.Function) -> str:
    """Name the workload of a test: ``bench_sort`` is sort, and what it is parametrised with comes behind a dot."""
    base = _PREFIXES.sub("", item.originalname)
    chosen = [f"{value}" for name, value in item.callspec.params.items() if name != RUNNER]
    return ".".join(re.sub(r"[^\w+-]", "_", part) for part in (base, *chosen))[:64]


def _skips(item: pytest.Function) -> bool:
    """Tell whether a mark skips the test, as far as that is known without running anything."""
    conditions = [
        condition
        for mark in item.iter_markers("skipif")
        for condition in (mark.args[0] if mark.args else mark.kwargs.get("condition"),)
    ]
    return item.get_closest_marker("skip") is not None or any(
        condition and not isinstance(condition, str) for condition in conditions
    )


def _copies(
    item: pytest.Function, variants: Sequence[Measurable], key: pytest.StashKey[str]
) -> list[pytest.Function]:
    """Make a test of each variant; a single one stays as it is."""
    if len(variants) == 1 and not variants[0].aliases:
        item.stash[key] = variants[0].name
        return [item]
    made = []
    for one in variants:
        chosen = one.name.partition(":")[2]
        copy = type(item).from_parent(
            item.parent,
            name=f"{item.name.removesuffix(']')}-{chosen}]",
            callspec=item.callspec,
            callobj=item.obj,
            fixtureinfo=item._fixtureinfo,  # noqa: SLF001 - as above
            originalname=item.originalname,
        )
        copy.stash[key] = one.name
        made.append(copy)
    return made


def _refuse(item: pytest.Function, text: str) -> NoReturn:
    raise pytest.Collector.CollectError(f"{item.originalname}: {text}")
