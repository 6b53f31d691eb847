"""Be PID 1 of a contained place: verify it, measure one hostile job there, and say what is left afterwards.

``python -m tare.bench.tools.chaos.inner FOLDER HOST_PID_NAMESPACE GROUPS -- WORDS…``: the words are those of ``tare``; none:
only the place is verified. The answer is the last line of the output, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.bench.tools.chaos.containment import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

JOB_SECONDS = 8.0
"""Time limit of each job."""
SETTLE_SECONDS = 5.0
"""Time in which processes that were killed have to be gone."""


def main(words: Sequence[str]) -> int:
    """Verify the place, measure in it, and look at what is left."""
    folder, host, groups, _, *command = words
    verify(Path(folder), [Path(group) for group in groups.split(":")], host)
    answer: dict[str, Any] = {"contained": True}
    if command:
        answer |= _measured(command)
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
    sys.stdout.flush()
    return 0


def _measured(command: Sequence[str]) -> dict[str, Any]:
    """Run ``tare`` as a child without capabilities, then ``tare clean``, and list the processes and folders left."""
    run = [sys.executable, "-m", __spec__.name, "--job"]
    code = _child([*run, *command])
    cleaned = _child([*run, "clean"])
    deadline = time.monotonic() + SETTLE_SECONDS
    while (left := _others()) and time.monotonic() < deadline:
        _reap()
        time.sleep(0.05)
    mounts = [
        line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if "/tare-" in line
    ]
    folders = [str(path) for path in Path(os.environ["TARE_WORKDIR"]).glob("tare-*")]
    return {"code": code, "clean": cleaned, "processes": left, "mounts": mounts, "folders": folders}


def _child(command: Sequence[str]) -> int:
    process = subprocess.Popen(command)
    while process.poll() is None:
        time.sleep(0.05)
    return process.returncode


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return


def _others() -> list[str]:
    found = []
    for name in (path.name for path in Path("/proc").iterdir()):
        if name.isdigit() and name != "1":
            try:
                found.append(Path("/proc", name, "comm").read_text().strip())
            except OSError:
                continue
    return found


def job(words: Sequence[str]) -> int:
    """Be ``tare``, with jobs that end after :data:`JOB_SECONDS`."""
    from tare.bench.__main__ import main as tare  # noqa: PLC0415 - in the child only

    command, *rest = words
    return tare([command, "--timeout", str(JOB_SECONDS), *rest])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        sys.exit(job(sys.argv[2:]))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(main(sys.argv[1:]))
