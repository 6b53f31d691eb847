"""What must be alike, what was left out: the facts that stand beside a comparison."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.statistics.phrases import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.results.judgement.comparison import Verdict
    from tare.results.statistics.series import Series, SeriesKey
    from tare.results.tables.frame import RunFrame

Case = tuple[str, str, str]
"""Workload, parameters (canonical JSON), runner."""

ADMITTED, NONE = "limitations", "none"
"""The fact in which a place says what it could not do as asked, and its value where there is nothing to say."""


def refusal(subject: Series, other: Series) -> str:
    """Say why two series of different runs may not be compared, or nothing."""
    if (subject.unit, subject.direction) != (other.unit, other.direction):
        return f"unit or direction changed from {other.unit}, {other.direction} to {subject.unit}, {subject.direction}"
    return "; ".join(context_differences(subject, other))


def context_differences(subject: Series, other: Series) -> list[str]:
    """``field: base → subject`` for each fact that differs; a fact that varied inside a side lists its values."""
    here, there = _facts(subject.context), _facts(other.context)
    return _differences(there, here, here.keys() | there.keys())


def unfairness(subject: Series, other: Series) -> list[str]:
    """Likewise, for two places of one run.

    Between unlike kinds of place only what both have can differ unfairly, and what a place admits as its limitations:
    that a container has no hypervisor is what it is, not a difference in how it was measured.
    """
    here, there = _facts(subject.context), _facts(other.context)
    if _kind(subject.key.runner) == _kind(other.key.runner):
        return _differences(there, here, here.keys() | there.keys())
    return _differences(
        {ADMITTED: NONE, **there}, {ADMITTED: NONE, **here}, (here.keys() & there.keys()) | {ADMITTED}
    )


def _differences(there: Mapping[str, str], here: Mapping[str, str], names: Iterable[str]) -> list[str]:
    return [
        f"{name}: {there.get(name, 'not recorded')} → {here.get(name, 'not recorded')}"
        for name in sorted(names)
        if here.get(name) != there.get(name)
    ]


def _kind(runner: str) -> str:
    """Without variant, version and accelerator."""
    return re.split(r"[:@(]", runner, maxsplit=1)[0]


def _facts(contexts: Iterable[str]) -> dict[str, str]:
    values: dict[str, dict[str, None]] = {}
    for text in contexts:
        for name, value in _flat(msgspec.json.decode(text)):
            values.setdefault(name, {})[value] = None
    return {name: " or ".join(sorted(found)) for name, found in values.items()}


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _text(value)


def _text(value: object) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "; ".join(value) or NONE
    return value if isinstance(value, str) else msgspec.json.encode(value, order="sorted").decode()


SYNCS, FLUSHES = "fio.fsync.count", "guest_disk.flushes"
"""Metrics: how often a job waited for durability, and how often its guest's disk was flushed meanwhile."""

_ALL = 0.99


def durability(series: Mapping[SeriesKey, Series], subject: Series, verdict: Verdict) -> tuple[str, ...]:
    """Doubts that what a guest calls durable is so, for the comparisons of its disk workloads.

    Args:
        series: All of the run's.
        subject: A guest's.
        verdict: Of its comparison with the base; ``better`` than the device below it nothing honest can be, unless it
            asks less of it.
    """
    if subject.accelerator == "none" or subject.family != "disk":
        return ()
    found = []
    syncs, flushes = (series.get(subject.key._replace(metric=name)) for name in (SYNCS, FLUSHES))
    if syncs is not None and flushes is None:
        found.append("durability: not checked, because the VMM does not count its flushes")
    elif syncs is not None and flushes is not None:
        asked, done = float(syncs.value.sum()), float(flushes.value.sum())
        if done < _ALL * asked:
            found.append(
                f"durability: only {done:.0f} flushes of the guest's disk for {asked:.0f} calls of fdatasync:"
                " what it calls durable is not"
            )
    if verdict == "better":
        found.append(
            "durability: the guest is faster than the file system that its disk lies on: look at its cache mode,"
            " and at what the host does on fdatasync"
        )
    return tuple(found)


def unlike_fields(base: RunFrame, head: RunFrame) -> tuple[str, ...]:
    """``field: base → head`` for each fact of the runs' contexts that differs; and a quick base."""
    there, here = (dict(_flat(frame.manifest.context)) for frame in (base, head))
    differing = _differences(there, here, there.keys() | here.keys())
    if base.manifest.mode == "quick":
        differing.insert(0, "mode: the base is a quick run, which is never a baseline")
    return tuple(differing)


def left_out(frame: RunFrame) -> dict[Case, dict[str, int]]:
    """Trials of each case that give no value: by outcome, and warm-ups."""
    trials = frame.trials[~frame.trials["control"].to_numpy()]
    sizes = trials.groupby(
        ["workload", "parameters", "runner", "outcome", "warmup"], observed=True, sort=False, as_index=False
    ).size()
    counts: dict[Case, dict[str, int]] = {}
    for workload, parameters, runner, outcome, warmup, size in sizes.itertuples(index=False, name=None):
        what = "warm-up" if warmup else outcome
        if what != "ok":
            case = counts.setdefault((workload, parameters, runner), {})
            case[what] = case.get(what, 0) + size
    return counts


def count_notes(counts: dict[str, int] | None, side: str) -> tuple[str, ...]:
    """``2 failed trials of the head left out``; ``side`` may be empty."""
    if not counts:
        return ()
    of = f" of the {side}" if side else ""
    return tuple(f"{count(n, f'{what} trial')}{of} left out" for what, n in sorted(counts.items()))
