"""Make definitions of the user's own workloads from calls in Python: commands, and plain functions."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import msgspec

from tare.bench.own.checking import Problem, check
from tare.bench.own.metric_text import read_metric
from tare.results.nearest import did_you_mean
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Unpack

    from tare.bench.own.definition import Definition, Value
    from tare.bench.workloads.output_metrics import MetricRule

Words = str | Sequence[str | os.PathLike[str]]
"""A command: a line, which is split into words, or its words."""

Work = Words | Callable[..., object]
"""What can be weighed: a command, or a function of Python."""


class AroundOptions(TypedDict, total=False):
    """Options of what surrounds a command, as on the command line and in TOML."""

    parameters: Mapping[str, Iterable[Value]]
    """Name → values. Each combination is a workload of its own; functions get them as keyword arguments."""
    prepare: Words
    """Command before each measured one, untimed, in the same place."""
    cleanup: Words
    """Command after each measured one, untimed, in the same place."""
    stdin: str
    environment: Mapping[str, str]
    carry: Iterable[str | os.PathLike[str]]
    """Files and folders that the commands need besides those that their words name."""
    exit_codes: Iterable[int] | Literal["any"]
    timeout: float
    """Seconds for one run; 300 by default."""
    metric: str | Iterable[str]
    """Metrics as ``--metric`` takes them: ``'rps,ops/s,higher=([0-9.]+) req/s'``."""
    metrics: Mapping[str, Mapping[str, Any] | MetricRule]
    """Metrics as in TOML: name → ``{"regex": …, "unit": …, "direction": …, "primary": …}``."""


class WorkloadOptions(AroundOptions, total=False):
    """Options of one workload, those of what surrounds it included."""

    name: str
    """Name in tables; by default the program's or the function's."""
    summary: str
    family: str
    identity: str
    server: Mapping[str, Any]
    """Server, as in TOML; the command is its client."""
    calls: int
    """Of a function: calls that are timed together; by default as many as take 0.1 s."""
    warmups: int
    """Of a function: calls before those, untimed; 1 by default."""


@dataclass(frozen=True, slots=True)
class OwnWorkload:
    """A workload of the user's own, to be measured by :func:`tare.run`."""

    name: str
    definition: Definition
    is_function: bool = False
    """It calls a function of Python, whose script this host's image has."""


def workload(what: Work, /, **options: Unpack[WorkloadOptions]) -> OwnWorkload:
    """Define a workload: a command, or a plain Python function, with everything that belongs to it.

    Args:
        what: A line of words, a list of words, or a function.
        options: See :class:`WorkloadOptions`; most are the keys of a definition in TOML.

    Raises:
        UsageError: It cannot be used; the text says what would be right.
    """
    refuse_strangers(options, WorkloadOptions.__optional_keys__)
    given: dict[str, Any] = dict(options)
    name = given.pop("name", "") or default_name(what)
    texts = given.pop("metric", ())
    raw: dict[str, Any] = {key: _plain(value) for key, value in given.items()}
    lines = [texts] if isinstance(texts, str) else texts
    rules = {**raw.get("metrics", {}), **{key: _plain(rule) for key, rule in _rules(lines)}}
    own: dict[str, Any] = {key: raw.pop(key) for key in ("calls", "warmups") if key in raw}
    if callable(what):
        raw = {**raw, **_function(what, name, raw, own)}
        rules = _beside(raw["metrics"], rules)
    elif own:
        raise UsageError(say(
            "own.only_functions", "{name}: {next} is for Python functions; a command is run once in a trial.",
            name=name, next=next(iter(own)),
        ))  # fmt: skip
    else:
        raw["command"] = _plain(what)
    return OwnWorkload(name, _checked(name, {**raw, "metrics": rules}), callable(what))


def default_name(what: Work) -> str:
    """Name a workload by its program or function.

    Raises:
        UsageError: no name can be made of it, or it is no command at all.
    """
    if callable(what):
        found = getattr(what, "__name__", "")
        if not found or found == "<lambda>":
            raise UsageError(say("own.nameless", "a function to be measured has no name: give name='…'."))
        return found.lstrip("_") or found
    words = _plain(what)
    if isinstance(words, str):
        try:
            words = shlex.split(words)
        except ValueError as error:
            raise UsageError(
                say("own.not_split", "{what!r} cannot be split into words: {error}.", what=what, error=error)
            ) from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words) or not words:
        raise UsageError(say(
            "own.no_command", "{what!r} is not a command: give a line, a list of words, or a function.",
            what=what,
        ))  # fmt: skip
    found = re.sub(r"[^\w.+-]", "_", Path(words[0]).name)[:64]
    return found if re.match("[A-Za-z]", found) else f"command-{found}"[:64]


def refuse_strangers(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse keywords that there are not.

    Raises:
        UsageError: there is one; the text says what was probably meant.
    """
    for name in given:
        if name not in known:
            raise UsageError(say(
                "own.no_option", "there is no option {name!r}{did_you_mean} There are {known}.",
                name=name, did_you_mean=did_you_mean(name, sorted(known)), known=", ".join(sorted(known)),
            ))  # fmt: skip


def _rules(lines: Iterable[str]) -> Iterable[tuple[str, MetricRule]]:
    return (read_metric(line, "metric") for line in lines)


def _function(
    what: Callable[..., object], name: str, raw: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    """Make the keys of a definition that runs a function; a summary of the user's own stays."""
    from tare.bench.own.functions import describe  # noqa: PLC0415 - imports cloudpickle, which commands do without

    parameters = raw.get("parameters", {})
    if not isinstance(parameters, dict) or not all(isinstance(one, list) for one in parameters.values()):
        raise UsageError(say(
            "own.parameters", "{name}: parameters are lists of values, as in parameters={{'n': [1, 2]}}.",
            name=name,
        ))  # fmt: skip
    made = describe(what, parameters, calls=own.get("calls", 0), warmups=own.get("warmups", 1))
    return {**made, **{key: raw[key] for key in ("summary", "identity") if key in raw}}


def _beside(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Add the user's metrics to those of a function; if one of them is primary, no other is."""
    if any(isinstance(rule, Mapping) and rule.get("primary") for rule in theirs.values()):
        ours = {name: {**rule, "primary": False} for name, rule in ours.items()}
    return {**ours, **theirs}


def _checked(name: str, raw: dict[str, Any]) -> Definition:
    found = check(name, raw)
    if isinstance(found, Problem):
        where = ": ".join(filter(None, (name, ".".join(found.keys[2:]))))
        raise UsageError(say("own.invalid", "{where}: {text}", where=where, text=found.text))
    return found


def _plain(value: Any) -> Any:
    """Turn paths, tuples, ranges and structs into what TOML could have given."""
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return value
    return [_plain(one) for one in value]
