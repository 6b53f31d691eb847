"""Upgrade files of version 1 of the record to version 2.

Version 1 kept in ``notes`` whatever an experiment or the run had found, and readers picked it out by name. Version 2
has fields for it, and notes are texts. Notes that are not as version 1 wrote them stay where they are, as JSON text:
nothing is lost, and nothing that is damaged stops the reading.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tare.results.details import (
    DensityDetails,
    DeployDetails,
    Details,
    IsolationDetails,
    ScalingDetails,
    StartsDetails,
)
from tare.results.environment import (
    KvmBaseline,
    LimitsFound,
    LimitsSeen,
    LimitsUnverified,
    ProbeFacts,
    ProbeRecord,
    RungRecord,
)
from tare.results.record import ImportSource, NotFinite, Resumption

if TYPE_CHECKING:
    from collections.abc import Callable

Raw = dict[str, Any]

_ALL_BLOCKS = ("full_blocks", "full_cold_blocks")
_DEPLOY = ("layers", "disks", "read")
_IMPORTED = ("file", "sha256", "format", "ignored_columns", "medians_only")
_RUNG = ("rung", "position", "below")


def upgrade_trial(raw: Raw) -> Raw:
    """Move what version 1 kept in a trial's notes to the fields of version 2."""
    notes = raw.get("notes", {})
    if not isinstance(notes, dict):
        return raw  # the reader will say that this is no trial
    notes = dict(notes)
    new: Raw = {}
    for takes, read in _DETAILS:
        if details := _converted(read, raw, notes):
            new["details"] = details
            notes = {name: value for name, value in notes.items() if name not in takes}
            break
    if "not_finite" in notes and (found := _converted(_not_finite, notes["not_finite"])):
        new["not_finite"] = found
        del notes["not_finite"]
    return raw | new | {"notes": _texts(notes)}


def upgrade_manifest(raw: Raw) -> Raw:
    """Move what version 1 kept in the manifest's notes to the fields of version 2."""
    notes = raw.get("notes", {})
    if not isinstance(notes, dict):
        return raw  # the reader will say that this is no manifest
    notes = dict(notes)
    new: Raw = {}
    for old, name, read in _MANIFEST:
        if old in notes and (found := _converted(read, notes[old])) is not None:
            new[name] = found
            del notes[old]
    for old, read_one in (("probes", _probe), ("limits", _limits)):
        if isinstance(notes.get(old), dict):
            read_of = {key: _converted(read_one, one) for key, one in notes[old].items()}
            new[old] = {key: one for key, one in read_of.items() if one is not None}
            notes[old] = {key: notes[old][key] for key, one in read_of.items() if one is None}
            if not notes[old]:
                del notes[old]
    return upgrade_plan(raw) | new | {"notes": _texts(notes)}


def upgrade_plan(raw: Raw) -> Raw:
    """Write a manifest's plan as version 2 does.

    Version 1 had -1 for "all blocks", null for settings that are not set, and a calibration's slowdowns among the
    settings; a variant's programs were added to the run's when runners were made.
    """
    plan = raw.get("plan")
    if not isinstance(plan, dict):
        return raw  # the reader will say that this is no plan
    plan = {name: value for name, value in plan.items() if name not in _ALL_BLOCKS or value != -1}
    request = plan.get("request")
    if isinstance(request, dict) and isinstance(request.get("settings"), dict):
        settings = {
            name: value for name, value in request["settings"].items() if value is not None and value != ""
        }
        slowdowns = settings.pop("calibration", None)
        plan["request"] = request | {"settings": settings}
        if slowdowns is not None:
            plan["request"]["slowdowns"] = slowdowns
        plan["request"]["variants"] = _variants(request.get("variants", []), settings.get("run.tools"))
    return raw | {"plan": plan}


def _variants(variants: Any, tools: Any) -> Any:
    """Add the run's programs to those of each variant; what is damaged stays as it is."""
    try:
        return [
            [name, own | ({"run.tools": tools | own["run.tools"]} if "run.tools" in own else {})]
            for name, own in variants
        ]
    except (TypeError, ValueError):
        return variants


def _converted(read: Callable[..., Any], *given: Any) -> Any:
    """Call a reader; ``None`` where what it is given is not as version 1 wrote it."""
    try:
        return read(*given)
    except msgspec.ValidationError:
        return None


def _texts(notes: Raw) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in notes.items()
    }


# -- trials -------------------------------------------------------------------------------------------


def _starts(_trial: Raw, notes: Raw) -> Details | None:
    return msgspec.convert(notes, StartsDetails) if "bursts" in notes else None


class _OldWeight(msgspec.Struct):
    places: int
    processes: int
    pss: int | None
    cgroups: int | None
    attendants: int | None
    daemons: int | None
    available: int


class _OldRamp(msgspec.Struct):
    budget_bytes: int
    stopped: str
    weights: list[_OldWeight]
    start_seconds: list[float]


def _density(_trial: Raw, notes: Raw) -> Details | None:
    if "weights" not in notes:
        return None
    old = msgspec.convert(notes, _OldRamp)
    sized = ("pss", "cgroups", "attendants", "daemons", "available")
    memory = [
        {"places": one.places, "processes": one.processes}
        | {f"{name}_bytes": getattr(one, name) for name in sized}
        for one in old.weights
    ]
    return msgspec.convert(notes | {"memory": memory}, DensityDetails)


def _isolation(_trial: Raw, notes: Raw) -> Details | None:
    return msgspec.convert(notes, IsolationDetails) if "attempts" in notes else None


class _OldRead(msgspec.Struct):
    method: str
    left_before: int | None = None


def _deploy(trial: Raw, notes: Raw) -> Details | None:
    kept = {name: notes[name] for name in _DEPLOY if name in notes}
    if trial.get("family") != "deploy" or not kept:
        return None
    if "read" in kept:
        old = msgspec.convert(kept["read"], _OldRead)
        kept["read"] = {"method": old.method, "left_before_bytes": old.left_before}
    return msgspec.convert(kept, DeployDetails)


def _scaling(trial: Raw, _notes: Raw) -> Details | None:
    number = re.fullmatch(r"scale-([0-9]{1,9})", str(trial.get("workload")))
    return ScalingDetails(threads=int(number[1])) if number and trial.get("family") == "scaling" else None


_DETAILS: tuple[tuple[tuple[str, ...], Callable[[Raw, Raw], Details | None]], ...] = (
    (("bursts",), _starts),
    (("budget_bytes", "stopped", "weights", "start_seconds"), _density),
    (("attempts", "fingerprint", "same_kernel"), _isolation),
    (_DEPLOY, _deploy),
    ((), _scaling),
)
"""Names of the notes that a kind of details is made of, and the function that makes it; ``None`` if they are absent."""


def _not_finite(old: Any) -> tuple[NotFinite, ...]:
    parts: tuple[tuple[str, Literal["value", "error"]], ...] = (("error of ", "error"), ("", "value"))
    found = []
    for name, text in msgspec.convert(old, dict[str, str]).items():
        prefix, part = next(pair for pair in parts if name.startswith(pair[0]))
        found.append(NotFinite(metric=name.removeprefix(prefix), part=part, text=text))
    return tuple(found)


# -- manifest -----------------------------------------------------------------------------------------


def _precise(old: Any) -> dict[str, int]:
    return msgspec.convert(old, dict[str, int])


def _resumed(old: Any) -> tuple[Resumption, ...]:
    return msgspec.convert(old, tuple[Resumption, ...])


def _images(old: Any) -> dict[str, Raw]:
    return msgspec.convert(old, dict[str, dict[str, Any]])


def _imported(old: Any) -> ImportSource:
    about = msgspec.convert(old, dict[str, Any])
    rest = {name: value for name, value in about.items() if name not in _IMPORTED}
    return msgspec.convert(about | {"metadata": rest}, ImportSource)


_MANIFEST: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("precision_reached_after_blocks", "precise_after_blocks", _precise),
    ("resumed", "resumed", _resumed),
    ("images", "variant_images", _images),
    ("imported", "imported", _imported),
)
"""Name of a note, name of the field that it becomes, and the function that makes the field's value."""


class _OldProbe(msgspec.Struct):
    ok: bool
    reason: str = ""
    remedy: str = ""
    facts: dict[str, Any] = {}


def _probe(old: Any) -> ProbeRecord:
    probe = msgspec.convert(old, _OldProbe)
    facts = probe.facts
    rung, kvm, steps = (_converted(read, facts) for read in (_rung, _kvm, _steps))
    taken = {*(_RUNG if rung else ()), *(("kvm",) if kvm else ()), *(("steps",) if steps else ())}
    rest = {name: value for name, value in facts.items() if name not in taken}
    typed = _converted(_facts, rest)
    known = msgspec.structs.asdict(typed) if typed else {}
    notes = _texts({name: value for name, value in rest.items() if name not in known})
    return ProbeRecord(
        ok=probe.ok,
        reason=probe.reason,
        remedy=probe.remedy,
        rung=rung,
        kvm=kvm,
        steps=steps or (),
        facts=typed,
        notes=notes,
    )


_KIND_OF_FACTS = {"tool": "tool", "engine": "engine", "accelerator_why": "guest", "cgroups": "host"}
"""Name of a fact that all runners of a kind have → that kind."""


def _facts(facts: Raw) -> ProbeFacts | None:
    """Tell from the names of facts which kind of runner they are of; ``None``: they are of none."""
    for name, kind in _KIND_OF_FACTS.items():
        if name in facts:
            return msgspec.convert(facts | {"kind": kind}, ProbeFacts)  # type: ignore[no-any-return]
    return None


def _rung(facts: Raw) -> RungRecord | None:
    if "rung" not in facts:
        return None
    found = msgspec.convert(facts | {"name": facts["rung"]}, RungRecord)
    return found if found.below else None


def _kvm(facts: Raw) -> KvmBaseline | None:
    if "kvm" not in facts:
        return None
    old = msgspec.convert(facts["kvm"], dict[str, Any])
    figures = {name: value for name, value in old.items() if name.endswith("_seconds")}
    return msgspec.convert(old | {"figures": figures}, KvmBaseline)


def _steps(facts: Raw) -> tuple[str, ...]:
    return msgspec.convert(facts.get("steps", ()), tuple[str, ...])


class _OldEnd(msgspec.Struct):
    by: str = ""


class _OldLimits(msgspec.Struct):
    error: str | None = None
    memory: _OldEnd | None = None


def _limits(old: Any) -> LimitsFound:
    head = msgspec.convert(old, _OldLimits)
    if head.error is not None:
        return LimitsUnverified(reason=head.error)
    watched = head.memory is not None and "outside" in head.memory.by
    seen = msgspec.convert(old, LimitsSeen)
    return msgspec.structs.replace(seen, memory=msgspec.structs.replace(seen.memory, watched=watched))
