"""Read pyperf's JSON, format 1.0."""

from __future__ import annotations

from typing import Any

from tare.results.imports.model import Imported, ImportFault, Names, Node, Trials, metric, moment_of, trial
from tare.results.said import say

NAME = "pyperf"
SUMMARY = "pyperf's JSON"

_UNITS = {"second": "s", "byte": "bytes", "integer": "count"}


def fits(document: Any) -> bool:
    """Return whether a document looks like pyperf's JSON."""
    return isinstance(document, dict) and {"benchmarks", "version"} <= document.keys()


def read(document: Any, where: str) -> Imported:
    """Read a document: a worker process of pyperf is an invocation, its values are blocks, and lower is better.

    The values are per loop. Processes that only calibrated have warm-ups alone.
    """
    root = Node(document, where)
    version = root.need("version").value
    if str(version) != "1.0":
        raise ImportFault(say(
            "import.pyperf_version", "{where}.version is {version!r}; only 1.0 can be read, which `python -m pyperf convert` writes.",
            where=where, version=version,
        ))  # fmt: skip
    common = found.object() if (found := root.get("metadata")) else {}
    trials, names = Trials(where), Names()
    models, moments = set(), set()
    for one in root.need("benchmarks").items():
        own = {**common, **(found.object() if (found := one.get("metadata")) else {})}
        runs = one.need("runs").items()
        first = found.object() if runs and (found := runs[0].get("metadata")) else {}
        about = Node({**first, **own}, f"{one.where}.metadata")
        moments.add(moment_of(about.object().get("date")))
        name = names.give(about.need("name").text())
        unit_name = str(about.object().get("unit", "second"))
        if unit_name not in _UNITS:
            raise ImportFault(say(
                "import.pyperf_unit", "{where}.unit is {unit_name!r}, not one of {units}.",
                where=about.where, unit_name=unit_name, units=", ".join(_UNITS),
            ))  # fmt: skip
        unit = _UNITS[unit_name]
        metric_name = {"s": "time", "bytes": "memory", "count": "value"}[unit]
        if model := about.object().get("cpu_model_name"):
            models.add(str(model))
        block = 0
        for invocation, run in enumerate(runs):
            for warmup in found.items() if (found := run.get("warmups")) else []:
                pair = warmup.items()
                if len(pair) != 2:
                    raise ImportFault(say(
                        "import.pyperf_pair", "{where} is not a pair of loops and value.",
                        where=warmup.where,
                    ))  # fmt: skip
                value = metric(metric_name, pair[1].number(), unit, "lower", NAME, primary=True)
                trials.append(trial(name, value, block=block, invocation=invocation, warmup=True))
            for item in found.items() if (found := run.get("values")) else []:
                value = metric(metric_name, item.number(), unit, "lower", NAME, primary=True)
                trials.append(trial(name, value, block=block, invocation=invocation))
                block += 1
    context = {"cpu.model": " or ".join(sorted(models))} if models else {}
    return Imported(
        tuple(trials.found), context, metadata=common, moment=min(filter(None, moments), default="")
    )
