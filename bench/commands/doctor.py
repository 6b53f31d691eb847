"""Implement ``tare doctor``: show what this host can run, what it cannot, why, and how to change that."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tare.bench.commands.shared.fixes import FIXES
from tare.bench.commands.shared.options import add_request_options, request_from
from tare.bench.errors import Exit
from tare.bench.progress import Lines
from tare.reports.text import numbers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from tare.results.environment import ProbeFacts
    from tare.runners.model import Probe


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
    with opened(request, Lines()) as bench:
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
        print("\n".join((*_runners_as_text(probes, steps=arguments.steps), *_as_text(found))))
        print("\nReady." if fine else "\nNot ready: bare and one isolating runner must work.")
    return Exit.OK if fine else Exit.ENVIRONMENT


def _change(arguments: argparse.Namespace) -> int:
    from tare.runners.provision.cache import default_cache  # noqa: PLC0415 - options are declared without it
    from tare.runners.provision.tools import Provision  # noqa: PLC0415

    name = arguments.fix or arguments.unfix
    change = FIXES[name]
    if arguments.fix:
        lines = change.do(Provision(default_cache(), arguments.offline, Lines().say))
    else:
        lines = change.undo() or [f"nothing of tare's {name} is here"]
    print(json.dumps({name: lines}, indent=2) if arguments.json else "\n".join(lines))
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


def _runners_as_text(probes: Mapping[str, Probe], *, steps: bool) -> Iterator[str]:
    from tare.results.environment import GuestFacts, ToolFacts  # noqa: PLC0415 - options are declared without it

    said: dict[str, str] = {}
    yield "Runners"
    for label, probe in probes.items():
        yield from _entry("yes" if probe.ok else "no", label, probe.reason, probe.remedy)
        match probe.facts:
            case ToolFacts(tool=tool, origin=origin):
                yield from _wrapped(f"{tool}, {origin}" if origin else tool)
            case GuestFacts(accelerator_why=why):
                first = said.setdefault(why, label)
                yield from _wrapped(why if first == label else f"for the same reason as {first}")
        for step in probe.steps if steps else ():
            yield from _wrapped(step)


def _as_text(found: dict[str, Any]) -> Iterator[str]:
    from tare.runners.guests.kvm.baseline import FIGURES  # noqa: PLC0415 - as above

    kvm = found["kvm"]
    yield "\nKVM"
    word = "works" if kvm["usable"] else "is present but not usable" if kvm["present"] else "is absent"
    yield from _entry("yes" if kvm["usable"] else "no", word, kvm["reason"], kvm["remedy"])
    if kvm["present"]:
        speed = {True: "runs at the host's speed", False: "is slowed down", None: "was not measured"}
        nested = "this host is itself a guest" if kvm["nested"] else "this host is not a guest"
        yield from _wrapped(f"guest user mode {speed[kvm['accelerated']]}; {nested}")
    for name, what in FIGURES.items():
        if (value := kvm[f"{name}_seconds"]) is not None:
            yield f"         {what:<32}{numbers.quantity(value, 's'):>10}{_spread(kvm['samples'].get(name))}"
    for oddity in kvm["oddities"]:
        yield from _wrapped(f"not as expected: {oddity}")
    yield "\nConditions that spoil measurements"
    for condition in found["conditions"]:
        mark = {True: "note" if condition["advice"] else "fine", False: "bad", None: "?"}[condition["ok"]]
        yield from _entry(mark, condition["name"], str(condition["found"]), condition["advice"])


def _spread(sample: dict[str, float] | None) -> str:
    """Format the spread of a figure that was taken more than once; empty for any other."""
    if not sample:
        return ""
    ends = " to ".join(numbers.quantity(sample[f"{end}_seconds"], "s") for end in ("low", "high"))
    return f"   {ends}, {sample['n']} times"


def _entry(mark: str, name: str, reason: str, remedy: str) -> Iterator[str]:
    yield f"  {mark:<5}  {name}"
    if reason:
        yield from _wrapped(reason)
    if remedy:
        yield from _wrapped(remedy if mark == "note" else f"remedy: {remedy}")


def _wrapped(text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, 110, initial_indent=" " * 9, subsequent_indent=" " * 9, break_long_words=False
    )
