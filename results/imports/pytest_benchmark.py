"""Read pytest-benchmark's JSON (``--benchmark-json``, ``--benchmark-save-data``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.results.imports.model import Imported, Node, metric, trial

if TYPE_CHECKING:
    from tare.results.record import Trial

NAME = "pytest-benchmark"
SUMMARY = "pytest-benchmark's JSON, best with --benchmark-save-data"


def fits(document: Any) -> bool:
    """Return whether a document looks like pytest-benchmark's JSON."""
    return isinstance(document, dict) and "benchmarks" in document and "machine_info" in document


def read(document: Any, where: str) -> Imported:
    """Read a document: a trial for each round, all of one invocation, because one process measured them.

    A benchmark without raw data gives one trial with its median, for which there is no interval.
    """
    root = Node(document, where)
    benchmarks = root.need("benchmarks").items()
    names = [one.need("name").text() for one in benchmarks]
    trials: list[Trial] = []
    without: list[str] = []
    for one, short in zip(benchmarks, names, strict=True):
        full = one.get("fullname")
        name = full.text() if full and names.count(short) > 1 else short
        stats = one.need("stats")
        parameters = found.object() if (found := one.get("params")) else {}
        data = stats.get("data")
        if data is None:
            rounds = found.whole() if (found := stats.get("rounds")) else 1
            value = stats.need("median").number()
            value_of_all = metric("time", value, "s", "lower", NAME, primary=True, samples=max(1, rounds))
            trials.append(trial(name, value_of_all, block=0, invocation=0, parameters=parameters))
            without.append(name)
            continue
        for i, time in enumerate(data.items()):
            value_of_one = metric("time", time.number(), "s", "lower", NAME, primary=True)
            trials.append(trial(name, value_of_one, block=i, invocation=0, parameters=parameters))
    machine = found.object() if (found := root.get("machine_info")) else {}
    cpu = machine.get("cpu")
    model = cpu.get("brand_raw") or cpu.get("brand") if isinstance(cpu, dict) else None
    return Imported(
        tuple(trials),
        context={"cpu.model": str(model)} if model else {},
        medians_only=tuple(without),
        metadata={"machine_info": machine} if machine else {},
    )
