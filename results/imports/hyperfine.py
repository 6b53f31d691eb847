"""Read hyperfine's ``--export-json``: a trial for each time of each command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.results.imports.model import Imported, ImportFault, Node, metric, trial

if TYPE_CHECKING:
    from tare.results.record import Trial

NAME = "hyperfine"
SUMMARY = "hyperfine's --export-json"


def fits(document: Any) -> bool:
    """Return whether a document looks like an export of hyperfine."""
    results = document.get("results") if isinstance(document, dict) else None
    return (
        isinstance(results, list)
        and bool(results)
        and isinstance(results[0], dict)
        and "command" in results[0]
    )


def read(document: Any, where: str) -> Imported:
    """Read a document. Each time is an invocation of its own, because hyperfine starts a process for each.

    A result without times gives one trial with its median. ``user`` and ``system`` are left out: they are means of all
    processes.
    """
    trials: list[Trial] = []
    for result in Node(document, where).need("results").items():
        command = result.need("command").text()
        parameters = found.object() if (found := result.get("parameters")) else {}
        times = result.get("times")
        if times is None:
            value = metric("time", result.need("median").number(), "s", "lower", NAME, primary=True)
            trials.append(trial(command, value, block=0, invocation=0, parameters=parameters))
            continue
        codes = found.items() if (found := result.get("exit_codes")) else []
        if codes and len(codes) != len(times.items()):
            raise ImportFault(f"{result.where} has {len(times.items())} times, but {len(codes)} exit codes.")
        memory = _memory(result, len(times.items()))
        for i, time in enumerate(times.items()):
            metrics = [metric("time", time.number(), "s", "lower", NAME, primary=True)]
            if memory:
                metrics.append(metric("memory.peak_rss", memory[i].number(), "bytes", "lower", NAME))
            failed = bool(codes) and codes[i].value != 0
            trials.append(
                trial(
                    command,
                    *metrics,
                    block=i,
                    invocation=i,
                    parameters=parameters,
                    outcome="failed" if failed else "ok",
                    reason=f"exit status {codes[i].value}" if failed else "",
                )
            )
    return Imported(tuple(trials))


def _memory(result: Node, times: int) -> list[Node]:
    """Return the peak memory of each process, which newer versions record; empty if there is none."""
    found = result.get("memory_usage_byte")
    return found.items() if found and isinstance(found.value, list) and len(found.value) == times else []
