"""Start processes for tests that kill them, or what they depend on, or look at them from outside."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.paths import ROOT


def await_exec(process: subprocess.Popen[Any]) -> None:
    """
    Wait until others can read the command line and the environment, which must not be empty, of a new process.

    Popen returns when exec closes its pipe, a moment before the kernel publishes them.
    """
    while not Path(f"/proc/{process.pid}/environ").read_bytes() and process.poll() is None:
        time.sleep(0.001)


@contextlib.contextmanager
def tare_run(folder: Path, runner: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run ``tare run`` on ``bare`` and ``runner``, wait until the latter has been measured, and kill it in the end.

    Gives the process, and the file that its trials are written to.
    """
    command = [
        *(sys.executable, "-m", "tare", "run", "--runners", f"bare,{runner}", "-k", "null"),
        *("--results-dir", str(folder), "--no-report", *options),
    ]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stderr=said, stdout=subprocess.DEVNULL, text=True) as process,
    ):
        try:
            while (
                not (found := [*folder.glob("*/trials.jsonl")])
                or f'"{runner}"'.encode() not in found[0].read_bytes()
            ):
                if process.poll() is not None:
                    said.seek(0)
                    raise AssertionError(said.read())
                time.sleep(0.05)
            yield process, found[0]
        finally:
            process.kill()


_CHILD = """
import sys
sys.path[:0] = {path!r}
from {module} import prepared
with prepared(run={run!r}) as runner, runner.open():
    print("open", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def open_place(module: str, run: str) -> Iterator[subprocess.Popen[bytes] | None]:
    """Open a place in a process of its own, of the runner that a test module's ``prepared`` gives.

    Gives the process; ``None`` if it could not open one.
    """
    script = _CHILD.format(path=[str(ROOT / "tests" / "integration"), *sys.path], module=module, run=run)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        try:
            yield child if child.stdout.readline() == b"open\n" else None
        finally:
            child.kill()
