"""Spread inputs over worker processes, and collect what they find; a worker that dies or hangs is a finding, too."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

STUCK_SECONDS = 300.0
"""Time without an answer after which a worker is killed; its own limit is CPU time, which a sleeping one does not use."""
BATCH = 250
"""Inputs of one worker process, so that what one leaves in memory weighs on few."""


class Finding(NamedTuple):
    """One input that was not dealt with."""

    seed: str
    number: int
    fault: str

    @property
    def command(self) -> str:
        """Give the command that repeats it."""
        return f"nox -s fuzz -- --seed {self.seed} --only {self.number}"


def run(seed: str, numbers: Sequence[int], *, workers: int = 0) -> list[Finding]:
    """Judge inputs; the same seed and number always make the same input.

    Args:
        seed: any text.
        numbers: of the inputs.
        workers: processes at a time; 0: as many as this process may use CPUs.
    """
    count = workers or len(os.sched_getaffinity(0))
    size = min(BATCH, max(1, -(-len(numbers) // count)))
    batches = [numbers[at : at + size] for at in range(0, len(numbers), size)]
    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(lambda batch: _batch(seed, batch), batches))
    return sorted((one for each in found for one in each), key=lambda one: one.number)


def _batch(seed: str, numbers: Sequence[int]) -> list[Finding]:
    """Judge a batch, in as many processes as die of it."""
    findings: list[Finding] = []
    left = list(numbers)
    while left:
        with tempfile.TemporaryDirectory(prefix="tare-fuzz-") as base:
            judged, findings_now = _process(seed, left, Path(base))
        findings += findings_now
        left = left[judged:]
    return findings


def _process(seed: str, numbers: Sequence[int], base: Path) -> tuple[int, list[Finding]]:
    for name in ("home", "tmp", "below"):
        (base / name).mkdir()
    command = [sys.executable, "-m", "support.fuzzing.worker", seed, str(base), *map(str, numbers)]
    errors = base / "tmp" / "stderr"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            env=_environ(base),
            cwd=base,
            stdout=subprocess.PIPE,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
        )
    with process, _answers(process) as answers:
        begun, judged, findings = _read(seed, numbers, process, answers)
    if not begun:
        raise RuntimeError(
            f"the fuzzer's worker does not start: {errors.read_text('utf-8', 'replace')[-3000:]}"
        )
    if judged < len(numbers):
        how = (
            f"the worker ended with {process.returncode}"
            if process.returncode != -9
            else "hang: no answer, killed"
        )
        said = errors.read_text("utf-8", "replace")[-1500:]
        findings.append(Finding(seed, numbers[judged], f"{how}: {said}"))
        judged += 1
    return judged, findings


def _answers(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _read(
    seed: str, numbers: Sequence[int], process: subprocess.Popen[bytes], answers: IO[bytes]
) -> tuple[bool, int, list[Finding]]:
    """Read the worker's lines; return whether it began, how many inputs it has judged, and the findings among them."""
    findings: list[Finding] = []
    begun, judged = False, 0
    waiting = b""
    deadline = time.monotonic() + STUCK_SECONDS
    while judged < len(numbers):
        if not select.select([answers], [], [], max(0.0, deadline - time.monotonic()))[0]:
            process.kill()
            break
        data = os.read(answers.fileno(), 1 << 16)
        if not data:
            break
        deadline = time.monotonic() + STUCK_SECONDS
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            begun = True
            if "judged" in answer:
                judged += 1
                if answer["fault"]:
                    findings.append(Finding(seed, answer["judged"], answer["fault"]))
    return begun, judged, findings


def _environ(base: Path) -> dict[str, str]:
    path = os.pathsep.join(str(Path(each).resolve()) for each in (str(ROOT / "tests"), *sys.path) if each)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "PYTHONPATH": path,
        "HOME": str(base / "home"),
        "TMPDIR": str(base / "tmp"),
        "TARE_CACHE": str(base / "home" / "cache"),
        "MPLCONFIGDIR": str(base / "home" / "matplotlib"),
        # Threads of libraries would each take address space of their own, which is what memory is judged by.
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
