"""Read hyperfine's ``--export-json``: a trial for each time of each command."""

from __future__ import annotations

from typing import Any

from tare.results.imports.model import Imported, ImportFault, Names, Node, Trials, metric, trial
from tare.results.said import listed, say

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
    processes. Two results of one command and the same parameters stay two series.
    """
    trials, names = Trials(where), Names()
    without: list[str] = []
    for result in Node(document, where).need("results").items():
        parameters = found.object() if (found := result.get("parameters")) else {}
        name = names.give(result.need("command").text(), parameters)
        if not _each_time(result, name, parameters, trials):
            reason = listed(dict.fromkeys(filter(None, _failures(result))))
            value = metric("time", result.need("median").number(), "s", "lower", NAME, primary=True)
            trials.append(
                trial(
                    name, value, block=0, invocation=0, parameters=parameters, reason=reason,
                    outcome="failed" if reason else "ok",
                )
            )  # fmt: skip
            without.append(name)
    return Imported(tuple(trials.found), medians_only=tuple(without))


def _each_time(result: Node, name: str, parameters: dict[str, Any], trials: Trials) -> bool:
    """Append a trial for each time of a result. Returns whether it has any."""
    times = found.items() if (found := result.get("times")) else []
    failures = _failures(result)
    if times and failures and len(failures) != len(times):
        raise ImportFault(say(
            "import.hyperfine", "{where} has {times} times, but {failures} exit codes.",
            where=result.where, times=len(times), failures=len(failures),
        ))  # fmt: skip
    memory = _memory(result, len(times))
    for i, time in enumerate(times):
        metrics = [metric("time", time.number(), "s", "lower", NAME, primary=True)]
        if memory:
            metrics.append(metric("memory.peak_rss", memory[i].number(), "bytes", "lower", NAME))
        reason = failures[i] if failures else ""
        trials.append(
            trial(
                name, *metrics, block=i, invocation=i, parameters=parameters, reason=reason,
                outcome="failed" if reason else "ok",
            )
        )  # fmt: skip
    return bool(times)


def _failures(result: Node) -> list[str]:
    """Say for each exit code why the run failed, or nothing. A run that a signal ended has the code ``null``."""
    codes = found.items() if (found := result.get("exit_codes")) else []
    return [_failure(code) for code in codes]


def _failure(code: Node) -> str:
    if code.value is None:
        return say("import.by_signal", "ended by a signal")
    return say("trial.exit_status", "exit status {code}", code=code.value) if code.whole() else ""


def _memory(result: Node, times: int) -> list[Node]:
    """Return the peak memory of each process, which newer versions record; empty if there is none."""
    found = result.get("memory_usage_byte")
    return found.items() if found and isinstance(found.value, list) and len(found.value) == times else []
