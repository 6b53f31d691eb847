"""Implement ``tare doctor``: show what this host can run, what it cannot, why, and how to change that."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from tare.bench.commands.shared.fixes import FIXES
from tare.bench.commands.shared.options import add_request_options, request_from
from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.errors import Exit
from tare.bench.progress import Lines, teller
from tare.reports.text import numbers
from tare.reports.text.columns import padded
from tare.results.said import listed, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

    from tare.results.environment import ProbeFacts
    from tare.runners.model import Probe

    Tell = Callable[[str], str]
    """Repeats what was said in the language of the terminal."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a request, the format, and the fixes."""
    add_request_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--steps", action="store_true", help="show the steps that make each rung of the isolation ladder"
    )
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--fix", choices=FIXES, help="start a missing service, and say what was done")
    change.add_argument("--unfix", choices=FIXES, help="undo a fix")


def run(arguments: argparse.Namespace) -> int:
    """Probe every runner, measure KVM, check the host's conditions; exit 3 if no isolating runner works."""
    from tare.bench.campaign.session import opened  # noqa: PLC0415 - options are declared without it
    from tare.results.record import BASE  # noqa: PLC0415
    from tare.runners.registry import rows  # noqa: PLC0415

    if arguments.fix or arguments.unfix:
        return _change(arguments)
    from tare.runners.guests.kvm.baseline import as_json, probe_kvm  # noqa: PLC0415
    from tare.runners.host.conditions import conditions  # noqa: PLC0415 - only doctor and the manifest need them
    from tare.runners.host.facts import host_facts  # noqa: PLC0415

    asked = request_from(arguments)
    request = asked.with_run(runners=asked.settings.run.runners or tuple(rows()))
    language = request.settings.output.language
    with opened(request, Lines(language=language)) as bench:
        workdir = bench.supplies.context.workdir
        probes = {runner.label: bench.probes[key] for key, runner in bench.runners.items()}
        found = {
            "runners": {label: _as_json(probe) for label, probe in probes.items()},
            "kvm": as_json(probe_kvm()),
            "conditions": [asdict(condition) for condition in conditions(workdir)],
            "host": host_facts(workdir),
        }
        isolating = any(probe.ok for key, probe in bench.probes.items() if key != BASE)
        fine = bench.probes[BASE].ok and isolating
    if arguments.json:
        print(json.dumps({"ok": fine, **found}, indent=2, default=str))
    else:
        tell = teller(language)
        print("\n".join((*_runners_as_text(probes, tell, steps=arguments.steps), *_as_text(found, tell))))
        ready = say("terminal.ready", "Ready.")
        unready = say("terminal.unready", "Not ready: bare and one isolating runner must work.")
        print(f"\n{tell(ready if fine else unready)}")
    return Exit.OK if fine else Exit.ENVIRONMENT


def _change(arguments: argparse.Namespace) -> int:
    from tare.runners.provision.cache import default_cache  # noqa: PLC0415 - options are declared without it
    from tare.runners.provision.tools import Provision  # noqa: PLC0415

    name = arguments.fix or arguments.unfix
    change, speaker = FIXES[name], speaker_of(arguments)
    if arguments.fix:
        told = Lines(language=speaker.language).say
        lines = change.do(Provision(default_cache(), arguments.offline, told))
    else:
        lines = change.undo() or [
            say("terminal.nothing_fixed", "nothing of tare's {name} is here", name=name)
        ]
    if arguments.json:
        print(json.dumps({name: lines}, indent=2))
    else:
        speaker.out(*lines)
    return Exit.OK


def _as_json(probe: Probe) -> dict[str, Any]:
    from tare.runners.guests.kvm.baseline import as_json  # noqa: PLC0415 - as above

    facts = _facts(probe.facts)
    if probe.rung:
        facts |= {"rung": probe.rung.name, "position": probe.rung.position, "below": probe.rung.below}
    if probe.steps:
        facts["steps"] = probe.steps
    if probe.kvm:
        facts["kvm"] = as_json(probe.kvm)
    return {"ok": probe.ok, "reason": probe.reason, "remedy": probe.remedy, "facts": facts}


def _facts(facts: ProbeFacts | None) -> dict[str, Any]:
    """Turn facts into JSON without those that do not apply."""
    import msgspec  # noqa: PLC0415 - options are declared without it

    if facts is None:
        return {}
    plain: dict[str, Any] = msgspec.to_builtins(facts)
    return {name: value for name, value in plain.items() if name != "kind"}


def _runners_as_text(probes: Mapping[str, Probe], tell: Tell, *, steps: bool) -> Iterator[str]:
    from tare.results.environment import GuestFacts, ToolFacts  # noqa: PLC0415 - options are declared without it

    first: dict[str, str] = {}
    yield tell(say("terminal.runners", "Runners"))
    for label, probe in probes.items():
        yield from _entry("yes" if probe.ok else "no", label, probe.reason, probe.remedy, tell=tell)
        match probe.facts:
            case ToolFacts(tool=tool, origin=origin):
                yield from _wrapped(f"{tool}, {tell(origin)}" if origin else tell(tool))
            case GuestFacts(accelerator_why=why):
                other = first.setdefault(why, label)
                same = say("terminal.same_reason", "for the same reason as {runner}", runner=other)
                yield from _wrapped(tell(why if other == label else same))
        for step in probe.steps if steps else ():
            yield from _wrapped(step)


def _as_text(found: dict[str, Any], tell: Tell) -> Iterator[str]:
    from tare.runners.guests.kvm.baseline import FIGURES  # noqa: PLC0415 - as above

    kvm = found["kvm"]
    yield "\nKVM"
    word = say("terminal.kvm_works", "works") if kvm["usable"] else say("terminal.kvm_absent", "is absent")
    if kvm["present"] and not kvm["usable"]:
        word = say("terminal.kvm_unusable", "is present but not usable")
    yield from _entry("yes" if kvm["usable"] else "no", tell(word), kvm["reason"], kvm["remedy"], tell=tell)
    if kvm["present"]:
        yield from _wrapped(tell(listed((_SPEED[kvm["accelerated"]], _NESTED[kvm["nested"]]))))
    for name, what in FIGURES.items():
        if (value := kvm[f"{name}_seconds"]) is not None:
            spread = _spread(kvm["samples"].get(name), tell)
            yield f"         {padded(tell(what), 32)}{numbers.quantity(value, 's'):>10}{spread}"
    for oddity in kvm["oddities"]:
        yield from _wrapped(tell(say("terminal.oddity", "not as expected: {what}", what=oddity)))
    yield f"\n{tell(say('terminal.conditions', 'Conditions that spoil measurements'))}"
    for condition in found["conditions"]:
        mark = {True: "note" if condition["advice"] else "fine", False: "bad", None: "?"}[condition["ok"]]
        yield from _entry(
            mark, tell(condition["name"]), str(condition["found"]), condition["advice"], tell=tell
        )


def _spread(sample: dict[str, float] | None, tell: Tell) -> str:
    """Format the spread of a figure that was taken more than once; empty for any other."""
    if not sample:
        return ""
    low, high = (numbers.quantity(sample[f"{end}_seconds"], "s") for end in ("low", "high"))
    told = say("terminal.spread", "{low} to {high}, {n} times", low=low, high=high, n=sample["n"])
    return f"   {tell(told)}"


def _entry(mark: str, name: str, reason: str, remedy: str, *, tell: Tell) -> Iterator[str]:
    yield f"  {padded(tell(_MARKS[mark]), 5)}  {name}"
    if reason:
        yield from _wrapped(tell(reason))
    if remedy:
        told = say("terminal.remedy", "remedy: {remedy}", remedy=remedy)
        yield from _wrapped(tell(remedy if mark == "note" else told))


_MARKS = {
    "yes": say("terminal.yes", "yes"),
    "no": say("terminal.no", "no"),
    "fine": say("terminal.fine", "fine"),
    "bad": say("terminal.bad", "bad"),
    "note": say("terminal.note", "note"),
    "?": "?",
}
_SPEED = {
    True: say("terminal.full_speed", "guest user mode runs at the host's speed"),
    False: say("terminal.slowed", "guest user mode is slowed down"),
    None: say("terminal.speed_unknown", "guest user mode was not measured"),
}
_NESTED = {
    True: say("terminal.nested", "this host is itself a guest"),
    False: say("terminal.not_nested", "this host is not a guest"),
}


def _wrapped(text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, 110, initial_indent=" " * 9, subsequent_indent=" " * 9, break_long_words=False
    )
