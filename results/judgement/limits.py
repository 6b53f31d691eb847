"""What jobs found of the limits that a run's places were given: deviations, as sentences for the fairness notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.results.record import Manifest

OVER = 1.2
"""Use of CPUs or I/O beyond the limit that is not yet called one: probes are short, and quotas work in periods."""
UNDER = 0.8
"""Where so little of the given CPUs was got, the limit was not even reached."""
_MIB = 1 << 20


def seen(manifest: Manifest) -> dict[str, Mapping[str, Any]]:
    """Runner's label → what was found; see ``runners/inside/limits.py``. Empty where the run did not look."""
    found = manifest.notes.get("limits", {})
    if not isinstance(found, dict):
        return {}
    return {str(runner): facts for runner, facts in found.items() if isinstance(facts, dict)}


def deviations(asked: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Where jobs of one runner meet something else than what was given, as sentences without a subject."""
    if "error" in found:
        return [f"the limits could not be verified: {found['error']}"]
    return [*_cpus(asked, found), *_memory(asked, found), *_pids(asked, found), *_io(asked, found)]


def differences(manifest: Manifest) -> list[tuple[str, tuple[str, ...]]]:
    """Each deviation with the runners that show it, in the order of runners."""
    asked = manifest.context.get("limits", {})
    together: dict[str, list[str]] = {}
    if isinstance(asked, dict):
        for runner, facts in seen(manifest).items():
            for sentence in deviations(asked, facts):
                together.setdefault(sentence, []).append(runner)
    return [(sentence, tuple(runners)) for sentence, runners in together.items()]


def _cpus(asked: Mapping[str, Any], found: Mapping[str, Any]) -> Iterable[str]:
    given, cpus = asked.get("cpus", 0), found.get("cpus", [])
    used = found.get("cpu", {}).get("used")
    if len(cpus) != given:
        yield f"nproc sees {len(cpus)} CPUs where {given} are given: programs that ask it will not know"
    if used is not None and used < UNDER * given:
        yield f"whether jobs get more than {given} CPUs could not be told: others kept the host's CPUs busy"
    elif used is not None and used > OVER * given:
        yield f"jobs use {used:g} CPUs at once where {given} are given: that limit is not kept"
    wanted = set(asked.get("cpuset", ()))
    if wanted and not found.get("guest") and not set(cpus) <= wanted:
        yield f"jobs may run on CPUs {_list(cpus)}, outside of the cpuset {_list(wanted)}"


def _memory(asked: Mapping[str, Any], found: Mapping[str, Any]) -> Iterable[str]:
    given, shown = asked.get("memory_bytes", 0), found.get("memory_seen_bytes")
    # A guest's kernel keeps some of the RAM for itself.
    if shown is not None and not 0.7 * given <= shown <= 1.05 * given:
        yield f"/proc/meminfo shows {shown // _MIB} MiB where {given // _MIB} MiB are given"
    probe = found.get("memory", {})
    if probe.get("end") == "held":
        yield f"jobs keep more than the {given // _MIB} MiB of memory that are given: that limit is not kept"
    elif probe.get("end") == "killed" and "outside" in str(probe.get("by", "")):
        yield "memory is watched from outside: a job may exceed its limit for a moment before it is killed"
    elif probe.get("end") == "not tried":
        yield f"the memory limit was not tried: {probe.get('why', 'no reason is recorded')}"


def _pids(asked: Mapping[str, Any], found: Mapping[str, Any]) -> Iterable[str]:
    given, probe = asked.get("pids", 0), found.get("pids", {})
    if probe.get("end") == "held":
        yield f"jobs make more than the {given} processes that are given: that limit is not kept"
    elif probe.get("end") == "refused" and probe.get("reached", 0) < given // 2:
        yield f"jobs are refused processes after {probe['reached']} where {given} are given"


def _io(asked: Mapping[str, Any], found: Mapping[str, Any]) -> Iterable[str]:
    given, probe = asked.get("io_bytes_per_second", 0), found.get("io", {})
    rate = probe.get("bytes_per_second", 0)
    if given and rate > OVER * given:
        yield f"jobs write {rate // _MIB} MiB/s to the disk where {given // _MIB} are given: not kept"


def _list(cpus: Iterable[int]) -> str:
    return ",".join(map(str, sorted(cpus)))
