"""Kill real runs with SIGKILL at random moments; the next start has to clean the host, and to go on with the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from tare.bench.tools.chaos import traces
from tare.results.errors import ResultError
from tare.results.storage.load import load_run
from tare.runners.provision.cache import default_cache

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from random import Random

RUN_SECONDS = 180.0
"""Time limit of one run."""
TARE = (sys.executable, "-m", "tare.bench")
JOB = ("/bin/sleep", "0.05")
"""Beside start-ups, a job that is short and still long enough to be interrupted in."""
VICTIMS = ("tare", "tare", "tare", "launcher")
"""Processes to kill, as often as they stand here. The launcher's end is one that Tare itself has to handle."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One killed run, and what became of it."""

    number: int
    runner: str
    victim: str
    seconds: float
    """Moment of the kill after the start."""
    trials: int
    """Trials that were stored before the next start; -1: there was no run yet."""
    faults: tuple[str, ...]
    """What is wrong; empty if all is well."""


def kill_runs(count: int, runners: Sequence[str], base: Path, chance: Random) -> Iterator[Kill]:
    """Kill runs of each runner in turn.

    Args:
        count: number of kills.
        runners: to measure beside bare, as often as they stand here.
        base: empty folder for results and logs.
        chance: decides victims and moments.
    """
    durations = {runner: _durations(runner, base) for runner in dict.fromkeys(runners)}
    for number in range(count):
        runner = runners[number % len(runners)]
        # A start takes longer than measuring does here, so every second kill waits for the first trial.
        measuring = number // len(runners) % 2 == 1
        seconds = chance.uniform(0, durations[runner][measuring])
        yield _one(number, runner, chance.choice(VICTIMS), seconds, measuring, base)


def _words(runner: str, name: str, base: Path) -> list[str]:
    blocks = "1" if runner.startswith("qemu") else "6"
    return [
        *(*TARE, "run", "--quick", "--offline", "--no-report", "--runners", runner, "--blocks", blocks),
        *("--name", name, "--results-dir", str(base / name), "--", *JOB),
    ]


def _start(words: Sequence[str], base: Path, name: str) -> subprocess.Popen[bytes]:
    with (base / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=_environ(base),
        )


def _environ(base: Path) -> dict[str, str]:
    work = base / "work"
    work.mkdir(exist_ok=True)
    return os.environ | {"TARE_WORKDIR": str(work)}


def _durations(runner: str, base: Path) -> tuple[float, float]:
    """Measure how long an undisturbed run takes: in all, and from its first trial on."""
    name = f"whole-{runner.partition(':')[0]}"
    begin = time.monotonic()
    process = _start(_words(runner, name, base), base, name)
    _await_trial(process, base / name)
    first = time.monotonic()
    if code := process.wait(RUN_SECONDS):
        raise ResultError(f"an undisturbed run of {runner} ends with {code}: see {base / name}.log.")
    end = time.monotonic()
    return end - begin, end - first


def _one(number: int, runner: str, victim: str, seconds: float, measuring: bool, base: Path) -> Kill:
    name = f"kill-{number}"
    before, links, registered = traces.sysctls(), traces.links(), _registered()
    process = _start(_words(runner, name, base), base, name)
    begin = time.monotonic()
    if measuring and _await_trial(process, base / name):
        seconds += time.monotonic() - begin
    time.sleep(max(0.0, begin + seconds - time.monotonic()))
    new = _registered() - registered
    faults: list[str] = []
    victim = _strike(process, victim)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        faults.append(f"tare goes on for 60 s after its {victim} was killed")
        process.kill()
        process.wait()
    results = sorted((base / name).glob("*/manifest.json"))
    trials, status = _loaded(results[0].parent, faults) if results else (-1, "")
    if status in {"complete", ""}:
        words = [*TARE, "clean"]
    else:
        words = [*TARE, "run", "--offline", "--no-report", "--resume", results[0].parent.name]
        words += ["--results-dir", str(base / name)]
    code = _finished(words, base, name, faults)
    if code:
        faults.append(f"the next start ends with {code}, see {name}.log")
    if results and not faults:
        more, status = _loaded(results[0].parent, faults)
        if status != "complete" or more < trials:
            faults.append(f"resumed, the run is {status} with {more} trials instead of {trials} or more")
    runs = new | {path.parent.name for path in results}
    folders = (base / "work", default_cache() / "live")
    for run in runs:
        faults += [f"left: {one}" for one in traces.left(run, folders, before, links)]
    return Kill(number, runner, victim, seconds, trials, tuple(faults))


def _await_trial(process: subprocess.Popen[bytes], results: Path) -> bool:
    """Wait until a run has stored its first trial; return whether it has."""
    deadline = time.monotonic() + RUN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if any(path.stat().st_size for path in results.glob("*/trials.jsonl")):
            return True
        time.sleep(0.01)
    return False


def _registered() -> set[str]:
    return {path.stem for path in (default_cache() / "live").glob("*.json")}


def _strike(process: subprocess.Popen[bytes], victim: str) -> str:
    """Kill the victim, or Tare itself where there is no launcher yet; return which one it was."""
    target = process.pid
    if victim == "launcher":
        try:
            children = psutil.Process(process.pid).children(recursive=True)
            named = [child.pid for child in children if "launcher" in child.name()]
        except psutil.Error:
            named = []
        target, victim = (named[0], victim) if named else (process.pid, "tare")
    if process.poll() is not None:
        return "nothing: it was over"
    with suppress(ProcessLookupError):
        os.kill(target, signal.SIGKILL)
    return victim


def _finished(words: Sequence[str], base: Path, name: str, faults: list[str]) -> int:
    process = _start(words, base, name)
    try:
        return process.wait(RUN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        faults.append(f"the next start does not end within {RUN_SECONDS:g} s")
        return process.wait()


def _loaded(folder: Path, faults: list[str]) -> tuple[int, str]:
    """Load a run: the number of its trials and its status; damage other than a cut last line is a fault."""
    try:
        run = load_run(folder)
        trials = len(list(run.trials()))
    except ResultError as error:
        faults.append(f"cannot be loaded: {error}")
        return 0, "damaged"
    faults += [f"line {one.line}: {one.what}" for one in run.problems if one.kind != "cut"]
    return trials, run.manifest.status
