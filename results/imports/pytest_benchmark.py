"""Read pytest-benchmark's JSON (``--benchmark-json``, ``--benchmark-save-data``)."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from tare.results.imports.model import Imported, Names, Node, Trials, metric, moment_of, trial
from tare.results.storage.load import LARGEST_INT

NAME = "pytest-benchmark"
SUMMARY = "pytest-benchmark's JSON, best with --benchmark-save-data"


def fits(document: Any) -> bool:
    """Return whether a document looks like pytest-benchmark's JSON, from which hooks may have taken parts out."""
    benchmarks = document.get("benchmarks") if isinstance(document, dict) else None
    if not isinstance(benchmarks, list):
        return False
    first = benchmarks[0] if benchmarks else None
    return "machine_info" in document or (isinstance(first, dict) and "stats" in first)


def read(document: Any, where: str) -> Imported:
    """Read a document: a trial for each round, all of one invocation, because one process measured them.

    A benchmark without raw data gives one trial with its median, for which there is no interval.
    """
    root = Node(document, where)
    benchmarks = root.need("benchmarks").items()
    shorts = [one.need("name").text() for one in benchmarks]
    counts = Counter(shorts)
    trials, names = Trials(where), Names()
    without: list[str] = []
    for one, short in zip(benchmarks, shorts, strict=True):
        parameters = found.object() if (found := one.get("params")) else {}
        full = one.get("fullname")
        name = names.give(full.text() if full and counts[short] > 1 else short, parameters)
        stats = one.need("stats")
        data = found.items() if (found := stats.get("data")) else []
        if not data:
            rounds = found.whole() if (found := stats.get("rounds")) else 1
            value = stats.need("median").number()
            samples = min(max(1, rounds), LARGEST_INT)
            value_of_all = metric("time", value, "s", "lower", NAME, primary=True, samples=samples)
            trials.append(trial(name, value_of_all, block=0, invocation=0, parameters=parameters))
            without.append(name)
        for i, time in enumerate(data):
            value_of_one = metric("time", time.number(), "s", "lower", NAME, primary=True)
            trials.append(trial(name, value_of_one, block=i, invocation=0, parameters=parameters))
    machine = found.object() if (found := root.get("machine_info")) else {}
    cpu = machine.get("cpu")
    model = cpu.get("brand_raw") or cpu.get("brand") if isinstance(cpu, dict) else None
    commit = document.get("commit_info")
    return Imported(
        tuple(trials.found),
        context={"cpu.model": str(model)} if model else {},
        medians_only=tuple(without),
        metadata={"machine_info": machine} if machine else {},
        moment=moment_of(document.get("datetime")),
        commit=_commit(commit) if isinstance(commit, dict) else "",
    )


def _commit(about: dict[str, Any]) -> str:
    """Give the measured commit; without git the tool writes ``unknown``, and of a changed tree it is only where it began."""
    told = str(about.get("id") or "")
    return told if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", told) else ""
