"""Measure hostile jobs in contained places: each has to end in a record that does not lie, and in a clean place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.bench.tools.chaos import inner
from tare.bench.tools.chaos.containment import USER, UncontainedError, contained, limits
from tare.results.errors import ResultError
from tare.results.storage.load import load_run
from tare.runners.host.programs import run_quietly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.results.record import Trial

SOURCE = Path(__file__).with_name("hostile.c")
KINDS = (
    "fork-bomb", "memory-hog", "output-flood", "deaf", "daemonizes", "closes-pipes", "fills-scratch", "stops-itself",
    "writes-agent", "ptraces-agent", "kills-all", "digs-deep", "changes-settings",
)  # fmt: skip
NEVER_OK = frozenset({"memory-hog", "deaf", "stops-itself", "ptraces-agent", "kills-all", "fills-scratch"})
"""Kinds that fail, are killed or run out of time if nothing lies: ``ok`` would be a forged result."""
MAY_END_THE_RUN = frozenset({"kills-all", "memory-hog", "fork-bomb"})
"""Kinds that on bare metal, where the job is Tare's own user, may end Tare itself; the record stays readable."""
SECONDS = 240.0
"""Time limit of one run with its hostile jobs, the cleaning included."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One kind of hostile job in one place."""

    kind: str
    runner: str
    outcomes: tuple[str, ...]
    """Outcomes that were recorded of it on this runner, each with its reason."""
    faults: tuple[str, ...]
    """What is wrong; empty if all is well."""


def attack(runners: Sequence[str], kinds: Sequence[str], base: Path) -> Iterator[Attack]:
    """Run every kind on every runner, after a probe has shown that the place is closed.

    Args:
        runners: ``bare`` and others; each run measures ``bare`` as well.
        kinds: some of :data:`KINDS`.
        base: folder whose parents every user may enter; given to :data:`USER`.

    Raises:
        UncontainedError: the place is not closed; nothing hostile has been run.
    """
    if os.geteuid():
        raise UncontainedError("hostile jobs need a contained place, which only root can make")
    program = _compiled(base)
    python = _python()
    _probe(base, python)
    for runner in runners:
        for kind in kinds:
            yield _one(kind, runner, program, base, python)


def _compiled(base: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise UncontainedError("there is no C compiler: `apt-get install gcc libc6-dev`")
    program = base / "hostile"
    subprocess.run([compiler, "-O1", "-static", "-o", str(program), str(SOURCE)], check=True)
    program.chmod(0o755)
    return program


def _environ(base: Path) -> dict[str, str]:
    for name in ("work", "home", "tmp"):
        (base / name).mkdir(exist_ok=True)
        os.chown(base / name, USER, USER)
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "PYTHONPATH": os.pathsep.join(each for each in sys.path if each),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(base / "home"),
        "TMPDIR": str(base / "tmp"),
        "TARE_CACHE": str(base / "cache"),
        "TARE_WORKDIR": str(base / "work"),
        "LANG": "C.UTF-8",
    }


def _python() -> str:
    """Find a Python that the unprivileged user can run with this one's packages."""
    test = f"import os; os.setgroups([]); os.setgid({USER}); os.setuid({USER}); os.execv"
    for python in (sys.executable, "/usr/bin/python3"):
        started = f"{test}({python!r}, [{python!r}, '-c', 'import tare.bench.planning.from_request'])"
        environ = {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each), "PATH": "/usr/bin:/bin"}
        done = run_quietly([sys.executable, "-c", started], env=environ)
        if done.returncode == 0:
            return python
    raise UncontainedError(
        "no Python here can be run by an unprivileged user with Tare's packages: put the clone and its environment where "
        "every user can read them, and use the distribution's Python"
    )


def _inside(base: Path, python: str, words: Sequence[str]) -> tuple[int | None, str, dict[str, Any]]:
    """Run the inner half; return its exit code, its output and its answer."""
    name = f"tare-chaos-{os.getpid()}"
    namespace = str(Path("/proc/self/ns/pid").readlink())
    os.chown(base, USER, USER)
    with limits(name) as groups:
        command = [
            python,
            "-m",
            inner.__name__,
            str(base),
            namespace,
            ":".join(map(str, groups)),
            "--",
            *words,
        ]
        code, output = contained(command, base, groups, _environ(base), seconds=SECONDS)
    try:
        answer = json.loads(output.rstrip().rpartition("\n")[2])
    except ValueError:
        answer = {}
    return code, output, answer if isinstance(answer, dict) else {}


def _probe(base: Path, python: str) -> None:
    code, output, answer = _inside(base, python, [])
    if code != 0 or answer.get("contained") is not True:
        raise UncontainedError(
            f"the contained place is not closed, so nothing hostile is run: {output[-1500:]}"
        )


def _one(kind: str, runner: str, program: Path, base: Path, python: str) -> Attack:
    results = base / "results"
    shutil.rmtree(results, ignore_errors=True)
    words = [
        *("run", "--quick", "--offline", "--no-report", "--runners", runner, "--blocks", "1", "--memory", "256M"),
        *("--pids", "64", "--scratch", "64M", "--results-dir", str(results), "--", str(program), kind),
        # Every run measures bare, too: there the job is harmless unless bare is what is asked for.
        *(() if runner == "bare" else ("spare-bare",)),
    ]  # fmt: skip
    code, output, answer = _inside(base, python, words)
    faults: list[str] = []
    if code != 0 or answer.get("contained") is not True:
        faults.append(f"the place ended with {code}: {output[-300:]!r}")
    if answer.get("code") == 70 or "Traceback" in output:
        faults.append(f"a crash: {output[-600:]!r}")
    for what in ("processes", "mounts", "folders"):
        faults += [f"left: {what} {one}" for one in answer.get(what, ())]
    if answer.get("clean"):
        faults.append(f"`tare clean` ended with {answer['clean']}")
    trials, status = _trials(results, runner, faults)
    dead = status == "running" and runner == "bare" and kind in MAY_END_THE_RUN
    if not trials and not dead:
        faults.append(
            f"no trial of {runner} is recorded (run {status or 'absent'}, exit code {answer.get('code')})"
        )
    if kind in NEVER_OK:
        faults += [f"ok on {one.runner}" for one in trials if one.outcome == "ok"]
    told = [f"{one.outcome}: {one.reason}" if one.reason else one.outcome for one in trials]
    if dead:
        told.append(f"the job ended Tare itself (exit code {answer.get('code')}); the run can be resumed")
    return Attack(kind, runner, tuple(dict.fromkeys(told)), tuple(faults))


def _trials(results: Path, runner: str, faults: list[str]) -> tuple[list[Trial], str]:
    found = sorted(results.glob("*/manifest.json"))
    if not found:
        return [], ""
    try:
        run = load_run(found[0].parent)
        trials = list(run.trials())
    except ResultError as error:
        faults.append(str(error))
        return [], "damaged"
    faults += [f"line {one.line}: {one.what}" for one in run.problems if one.kind != "cut"]
    own = runner.partition(":")[0]
    chosen = [
        one
        for one in trials
        if one.runner.partition("(")[0].partition(":")[0] == own and one.workload != "null"
    ]
    return chosen, run.manifest.status
