"""Find the differences that make a comparison unfair or impossible, and count the trials that it leaves out."""

from __future__ import annotations

import re
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.plan import planned
from tare.results.said import listed, say
from tare.results.statistics.phrases import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.results.judgement.comparison import Verdict
    from tare.results.plan import PlanRecord
    from tare.results.statistics.series import Series, SeriesKey
    from tare.results.tables.frame import RunFrame

Case = tuple[str, str, str]
"""Workload, parameters (canonical JSON), runner."""

ADMITTED, NONE = "limitations", "none"
"""Name of the fact that lists what a place could not do as asked, and its value if there is nothing to list."""


def reason_to_refuse(subject: Series, other: Series) -> str:
    """Return why two series of different runs must not be compared; empty if they may."""
    if (subject.unit, subject.direction) != (other.unit, other.direction):
        return say(
            "pair.unit",
            "unit or direction changed from {base_unit}, {base_direction} to {unit}, {direction}",
            base_unit=other.unit, base_direction=other.direction, unit=subject.unit, direction=subject.direction,
        )  # fmt: skip
    return listed(context_differences(subject, other))


def context_differences(subject: Series, other: Series) -> list[str]:
    """List the facts that differ as ``field: base → subject``; a fact that varied within a side lists its values."""
    here, there = _facts(subject.context), _facts(other.context)
    return _differences(there, here, here.keys() | there.keys())


def unfair_differences(subject: Series, other: Series) -> list[str]:
    """List the facts that differ between two series of one run, as :func:`context_differences` does.

    Between places of different kinds only facts that both have count, and the limitations that a place admits: that a
    container has no hypervisor is its nature, not a difference in how it was measured.
    """
    here, there = _facts(subject.context), _facts(other.context)
    if _kind(subject.key.runner) == _kind(other.key.runner):
        return _differences(there, here, here.keys() | there.keys())
    return _differences(
        {ADMITTED: NONE, **there}, {ADMITTED: NONE, **here}, (here.keys() & there.keys()) | {ADMITTED}
    )


def _differences(there: Mapping[str, str], here: Mapping[str, str], names: Iterable[str]) -> list[str]:
    return [
        changed(name, there.get(name, _unknown()), here.get(name, _unknown()))
        for name in sorted(names)
        if here.get(name) != there.get(name)
    ]


def changed(name: str, before: str, after: str) -> str:
    """Note that a fact differs between two sides."""
    return say("fact.changed", "{name}: {before} → {after}", name=name, before=before, after=after)


def _unknown() -> str:
    return say("fact.unknown", "not recorded")


def _kind(runner: str) -> str:
    """Strip variant, version and accelerator from a runner's label."""
    return re.split(r"[:@(]", runner, maxsplit=1)[0]


@lru_cache(maxsize=1024)
def _facts(contexts: tuple[str, ...]) -> Mapping[str, str]:
    """Read the facts of contexts; there are few different ones in a run, and each is in many comparisons."""
    values: dict[str, dict[str, None]] = {}
    for text in contexts:
        for name, value in _flat(msgspec.json.decode(text)):
            values.setdefault(name, {})[value] = None
    return {name: reduce(_either, sorted(found)) for name, found in values.items()}


def _either(one: str, other: str) -> str:
    return say("fact.or", "{one} or {other}", one=one, other=other)


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _text(value)


def _text(value: object) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return listed(value) or NONE
    return value if isinstance(value, str) else msgspec.json.encode(value, order="sorted").decode()


SYNCS, FLUSHES = "elementary.fsync.count", "guest_disk.flushes"
"""Names of metrics: a job's calls of fsync and fdatasync, and the flushes of its guest's disk meanwhile."""

_ENOUGH_FLUSHES = 0.99
"""Share of a job's calls that must have become flushes."""


def durability_doubts(
    series: Mapping[SeriesKey, Series], subject: Series, verdict: Verdict
) -> tuple[str, ...]:
    """Note doubts that data which a guest calls durable are so; for comparisons of disk workloads.

    Args:
        series: All series of the run.
        subject: Series that was judged; without doubts unless it is a guest's, of a disk workload.
        verdict: Verdict of its comparison with the base. A guest's disk can hardly be better than the device that it
            lies on, unless it asks less of it.
    """
    if subject.accelerator == "none" or subject.family != "disk":
        return ()
    found = []
    syncs, flushes = (series.get(subject.key._replace(metric=name)) for name in (SYNCS, FLUSHES))
    if syncs is not None and flushes is None:
        found.append(
            say("durability.unchecked", "durability: not checked, because the VMM does not count its flushes")
        )
    elif syncs is not None and flushes is not None:
        asked, done = float(syncs.value.sum()), float(flushes.value.sum())
        if done < _ENOUGH_FLUSHES * asked:
            found.append(
                say(
                    "durability.few",
                    "durability: only {done} flushes of the guest's disk for {asked} calls of fdatasync:"
                    " data that it calls durable may be lost",
                    done=f"{done:.0f}",
                    asked=f"{asked:.0f}",
                )
            )
    if verdict == "better":
        found.append(
            say(
                "durability.faster",
                "durability: the guest is faster than the file system that its disk lies on: check its cache mode,"
                " and what the host does on fdatasync",
            )
        )
    return tuple(found)


def run_differences(base: RunFrame, head: RunFrame) -> tuple[str, ...]:
    """List the facts of the runs' contexts that differ as ``field: base → head``, and a base that is a quick run."""
    there, here = (dict(_flat(frame.manifest.context)) for frame in (base, head))
    differing = _differences(there, here, there.keys() | here.keys())
    if base.manifest.mode == "quick":
        differing.insert(0, say("fact.quick", "mode: the base is a quick run, which is never a baseline"))
    if unlike_jobs := job_lengths_differ(base, head):
        differing.append(unlike_jobs)
    return tuple(differing)


def job_lengths_differ(base: RunFrame, head: RunFrame) -> str:
    """Say that the suite's jobs do less work in one of two runs, as in quick ones; empty if they do not.

    What is recorded of a whole job, such as its CPU time, then differs for that alone. The user's own commands have no
    length to choose, and neither have starts.
    """
    plans = [planned(frame.manifest) for frame in (base, head)]
    there, here = (plan.job_seconds if plan and _has_suite_jobs(frame, plan) else None
                   for frame, plan in zip((base, head), plans, strict=True))  # fmt: skip
    if there is None or here is None or there == here:
        return ""
    return changed("jobs", f"{there * 1e3:g} ms", f"{here * 1e3:g} ms")


def _has_suite_jobs(frame: RunFrame, plan: PlanRecord) -> bool:
    asked = plan.request
    own = asked.command or asked.versions or asked.only_own
    return not own and bool((frame.trials["family"] != STARTS).any())


STARTS = "startup"
"""Family of what only starts places."""


def count_left_out(frame: RunFrame) -> dict[Case, dict[str, int]]:
    """Count the trials of each case that give no value: by outcome, and warm-ups."""
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


def left_out_notes(counts: dict[str, int] | None, side: str) -> tuple[str, ...]:
    """Describe counted trials as ``2 failed trials of the head left out``; ``side`` names the run, or is empty."""
    if not counts:
        return ()
    if side:
        return tuple(
            say("left_out_of", "{trials} of the {side} left out", trials=count(n, f"{what} trial"), side=side)
            for what, n in sorted(counts.items())
        )
    return tuple(
        say("left_out", "{trials} left out", trials=count(n, f"{what} trial"))
        for what, n in sorted(counts.items())
    )
