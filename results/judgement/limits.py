"""Compare the limits that places were given with those that their jobs met, as sentences for the fairness notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tare.results.environment import Limits, LimitsSeen, LimitsUnverified
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tare.results.environment import LimitsFound
    from tare.results.record import Manifest

OVER = 1.2
"""Largest use of CPUs or I/O, as a multiple of the limit, that is no deviation: probes are short, and quotas work in
periods."""
UNDER = 0.8
"""Share of the given CPUs below which a job did not reach its limit, so that the limit was not tested."""
_MIB = 1 << 20


def asked(manifest: Manifest) -> Limits | None:
    """Return the limits that the run's places were given; ``None`` if the record does not have them."""
    try:
        return msgspec.convert(manifest.context.get("limits"), Limits)
    except msgspec.ValidationError:
        return None


def seen(manifest: Manifest) -> dict[str, LimitsSeen]:
    """Return the limits that jobs met, by the runner's label, without runners that could not be verified."""
    return {name: found for name, found in manifest.limits.items() if isinstance(found, LimitsSeen)}


def deviations(given: Limits, found: LimitsFound) -> list[str]:
    """List how the limits that jobs of one runner met deviate from those given, as sentences without a full stop."""
    if isinstance(found, LimitsUnverified):
        return [say("limits.unverified", "the limits could not be verified: {reason}", reason=found.reason)]
    return [*_cpus(given, found), *_memory(given, found), *_pids(given, found), *_io(given, found)]


def conclusive(given: Limits, found: LimitsSeen) -> bool:
    """Tell whether every probe came to a finding: none was left out, or kept by other load from reaching its limit."""
    used = found.cpu.used if found.cpu else given.cpus
    tried = found.memory.end != "not tried" and found.pids.end != "not tried"
    wrote = found.io is None or found.io.bytes_per_second is not None
    return tried and wrote and used is not None and used >= UNDER * given.cpus


def differences(manifest: Manifest) -> list[tuple[str, tuple[str, ...]]]:
    """List each deviation with the runners that show it, in the order of runners."""
    given = asked(manifest)
    if given is None:
        return []
    together: dict[str, list[str]] = {}
    for runner, found in manifest.limits.items():
        for sentence in deviations(given, found):
            together.setdefault(sentence, []).append(runner)
    return [(sentence, tuple(runners)) for sentence, runners in together.items()]


def _cpus(given: Limits, found: LimitsSeen) -> Iterable[str]:
    cpus = found.cpus
    used = found.cpu.used if found.cpu else None
    if len(cpus) != given.cpus:
        yield say(
            "limits.nproc",
            "nproc shows {shown} CPUs where {given} are given, so programs that rely on it start too many threads",
            shown=len(cpus), given=given.cpus,
        )  # fmt: skip
    if used is not None and used < UNDER * given.cpus:
        yield say(
            "limits.cpus_unknown", "it is not known whether jobs get more than {given} CPUs: other load kept the host's CPUs busy",
            given=given.cpus,
        )  # fmt: skip
    elif used is not None and used > OVER * given.cpus:
        yield say(
            "limits.cpus", "jobs use {used} CPUs at once where {given} are given: the limit is not enforced",
            used=f"{used:g}", given=given.cpus,
        )  # fmt: skip
    if given.cpuset and not found.guest and not set(cpus) <= set(given.cpuset):
        yield say(
            "limits.cpuset", "jobs may run on CPUs {cpus}, outside the cpuset {given}", cpus=_list(cpus), given=_list(given.cpuset)
        )  # fmt: skip


def _memory(given: Limits, found: LimitsSeen) -> Iterable[str]:
    limit, shown, probe = given.memory_bytes, found.memory_seen_bytes, found.memory
    # A guest's kernel keeps some of the RAM for itself.
    if shown is not None and not 0.7 * limit <= shown <= 1.05 * limit:
        yield say(
            "limits.meminfo", "/proc/meminfo shows {shown} MiB where {given} MiB are given", shown=shown // _MIB, given=limit // _MIB
        )  # fmt: skip
    if probe.end == "held":
        yield say(
            "limits.memory", "jobs keep more than the {given} MiB of memory that are given: the limit is not enforced",
            given=limit // _MIB,
        )  # fmt: skip
    elif probe.end == "killed" and probe.watched:
        yield say(
            "limits.watched", "the memory limit is enforced by watching: a job may exceed it for a moment before it is killed"
        )  # fmt: skip
    elif probe.end == "not tried":
        why = probe.why or say("limits.no_reason", "no reason is recorded")
        yield say("limits.memory_not_tried", "the memory limit was not tried: {why}", why=why)


def _pids(given: Limits, found: LimitsSeen) -> Iterable[str]:
    probe, reached = found.pids, found.pids.reached or 0
    if probe.end == "held":
        yield say(
            "limits.pids", "jobs make more than the {given} processes that are given: the limit is not enforced", given=given.pids
        )  # fmt: skip
    elif probe.end == "refused" and reached < given.pids // 2:
        yield say(
            "limits.pids_early",
            "jobs are refused processes after {reached} where {given} are given",
            reached=reached,
            given=given.pids,
        )


def _io(given: Limits, found: LimitsSeen) -> Iterable[str]:
    limit, rate = given.io_bytes_per_second, (found.io.bytes_per_second if found.io else None) or 0
    if limit and rate > OVER * limit:
        yield say(
            "limits.io", "jobs write {rate} MiB/s to the disk where {given} are given: the limit is not enforced",
            rate=rate // _MIB, given=limit // _MIB,
        )  # fmt: skip


def _list(cpus: Iterable[int]) -> str:
    return ",".join(map(str, sorted(cpus)))
