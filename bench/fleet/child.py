"""Make the run of an assignment in a process of its own, which ends in order when the worker that started it dies."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from tare.bench.errors import Exit
from tare.bench.fleet.messages import ORIGINS, Assignment
from tare.bench.pipeline import execute
from tare.bench.progress import Lines
from tare.bench.request.record import request_from_record
from tare.results.errors import ResultError
from tare.results.origins import origins
from tare.runners.errors import TareError, UsageError

if TYPE_CHECKING:
    from types import FrameType

    from tare.bench.request.request import Request

_PR_SET_PDEATHSIG: Final = 1


def main(parent: int) -> int:
    """Read an assignment from standard input, make its run in the working directory and return the exit code.

    Args:
        parent: id of the worker's process; if it is not the parent any more, nothing is begun.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    # The kernel sends it when the worker's thread ends, however it does: the run is then ended and cleaned up.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        return Exit.INTERRUPTED
    try:
        assignment = msgspec.json.decode(sys.stdin.buffer.read(), type=Assignment)
        return execute(request_of(assignment, Path.cwd()), Lines()).exit_code
    except (TareError, ResultError) as error:
        text = str(error)
        Path(ORIGINS).write_bytes(msgspec.json.encode(origins(text)))
        sys.stderr.write(f"tare: {text}\n")
        return Exit.USAGE if isinstance(error, UsageError) else Exit.ENVIRONMENT
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def request_of(assignment: Assignment, results_dir: Path) -> Request:
    """Make the request of an assignment; its run goes into a folder of this host.

    Raises:
        UsageError: a setting means nothing to this tare.
    """
    asked = request_from_record(assignment.request)
    output = replace(asked.settings.output, results_dir=results_dir)
    return replace(
        asked,
        settings=replace(asked.settings, output=output),
        offline=assignment.offline,
        labels=assignment.labels,
        argv=assignment.argv,
        resume=assignment.run,
        report=False,
        resuming=f"tare fleet --resume {assignment.campaign}",
    )


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
