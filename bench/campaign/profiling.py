"""Profile the ``python`` workload in each place (``--profile``), sampled from the host by py-spy.

Profiling comes after the campaign, in places and jobs of its own, so that sampling slows nothing that is measured.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.workloads.base import Site
from tare.bench.workloads.python import PROGRAM_IN_IMAGE, Python
from tare.runners.errors import TareError
from tare.runners.host.endings import how_ended, last_words, oom_kills, why_killed
from tare.runners.host.programs import run_quietly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.bench.campaign.provision import Provisioned
    from tare.bench.campaign.run import Measured
    from tare.bench.planning.plan import Plan
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.runners.model import Job, Place

JOB_SECONDS = 4.0
"""Length of a profiled job."""
PROFILES = "profiles"
"""Name of the folder for profiles inside a run's folder."""

FORMATS = {"speedscope": ".speedscope.json", "flamegraph": ".svg"}
"""py-spy's output format → suffix of its file."""
_FIND_SECONDS = 10.0
_RATE_HZ = 200
_SECONDS = 60 + 10 * JOB_SECONDS
"""Time limit for a profiled job and its sampling."""


def profile(
    request: Request, provisioned: Provisioned, plan: Plan, measured: Measured, progress: Progress
) -> None:
    """Sample the ``python`` workload once per format in every place of the plan that allows it, if that was asked for.

    The run's folder gets ``profiles/<runner>.speedscope.json`` and ``<runner>.svg``, and ``refused.json`` with the
    reason for each runner that has none.
    """
    if not request.profile or measured.interrupted:
        return
    folder = measured.run_dir / PROFILES
    refused: dict[str, str] = {}
    runners = dict.fromkeys(
        case.runner for case in plan.cases if case.workload.name == "python" and not case.control
    )
    folder.mkdir(parents=True, exist_ok=True)
    for key in runners:
        runner = provisioned.runner(key)
        progress.say(f"profiling python on {runner.label}")
        try:
            for output, suffix in FORMATS.items():
                with provisioned.undo_log.leaving(f"a place of {runner.label}", runner.open()) as place:
                    _sample(place, provisioned, output, folder / f"{runner.label}{suffix}")
        except (TareError, OSError) as error:
            refused[runner.label] = str(error)
            progress.say(f"no profile of {runner.label}: {error}")
    if not runners:
        progress.say("nothing to profile: the plan has no `python` workload")
    (folder / "refused.json").write_text(json.dumps(refused, indent=2, ensure_ascii=False), encoding="utf-8")


def _sample(place: Place, provisioned: Provisioned, output: str, file: Path) -> None:
    if not place.vantage.shared_with_host:
        raise TareError("a guest's processes cannot be seen from the host, so py-spy cannot sample them")
    image = provisioned.image
    site = Site(image, place.root, place.scratch, provisioned.limits.cpus)
    job = Python().job(site, JOB_SECONDS)
    # py-spy reads /proc/PID/exe to find the interpreter, so here the kernel must start it, not our loader line.
    script = next(index for index, word in enumerate(job.argv) if word.endswith(PROGRAM_IN_IMAGE))
    job = replace(job, argv=image.direct_argv(place.root, "python3", "-I", "-B", *job.argv[script:]))
    with _running(place, job):
        _record(_find(place.vantage.top_pid), output, file)


@contextmanager
def _running(place: Place, job: Job) -> Iterator[None]:
    """Run a job beside the ``with`` block, and wait for its end.

    Raises:
        TareError: the place was lost, which explains whatever went wrong in the block as well.
    """
    lost: list[TareError | OSError] = []

    def work() -> None:
        try:
            place.run(job)
        except (TareError, OSError) as error:
            lost.append(error)

    worker = threading.Thread(target=work, name="tare-profiled-job", daemon=True)
    worker.start()
    try:
        yield
    finally:
        worker.join(timeout=_SECONDS)
        if lost:
            raise TareError(f"the profiled job's place was lost: {lost[0]}") from lost[0]


def _record(pid: int, output: str, file: Path) -> None:
    """Sample a process by py-spy until it ends.

    Raises:
        TareError: there is no profile; the text says why.
    """
    killed_before = oom_kills()
    try:
        done = run_quietly(
            [
                _py_spy(),
                "record",
                "--pid",
                str(pid),
                "--format",
                output,
                "--output",
                file,
                "--rate",
                str(_RATE_HZ),
            ],
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TareError(f"py-spy could not be run: {error}") from error
    if done.returncode < 0:
        raise TareError(f"py-spy {how_ended(done.returncode)}{why_killed(done.returncode, killed_before)}")
    if done.returncode or not file.exists():
        said = last_words(done.stderr, done.returncode) if done.returncode else "it wrote no profile"
        raise TareError(f"py-spy failed: {said}; attaching needs root, or ptrace_scope 0")


def _find(top: int) -> int:
    """Wait for the profiled program below a place's top process, and return its pid as the host counts."""
    import psutil  # noqa: PLC0415 - 60 ms that only profiling pays

    deadline = time.monotonic() + _FIND_SECONDS
    while time.monotonic() < deadline:
        try:
            for process in psutil.Process(top).children(recursive=True):
                if any(word.endswith(PROGRAM_IN_IMAGE) for word in process.cmdline()):
                    return process.pid
        except psutil.Error:
            pass
        time.sleep(0.01)
    raise TareError(f"the profiled program did not show below process {top} within {_FIND_SECONDS:.0f} s")


def _py_spy() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if not found:
        raise TareError("py-spy is not installed; it comes with `pip install tarebench`")
    return found
