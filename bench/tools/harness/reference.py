"""Compile the C programs that the suite's launches are compared with, and launch by them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tare.runners.errors import TareError
from tare.runners.host.programs import run_quietly

REFERENCE = Path(__file__).with_name("harness_reference.c")
"""Launches a program once per line of its stdin and answers with the time that it took."""
TRUE = Path(__file__).with_name("harness_true.c")
"""Does nothing: what is launched for the floor."""


class Reference:
    """A running reference program, which launches ``launched`` with the root folder ``root``."""

    def __init__(self, program: Path, root: Path, launched: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [program, launched, root, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def launch(self, mode: bytes) -> float:
        """Launch once and return the seconds; ``s``: posix_spawn, ``c``: clone3 with namespaces."""
        assert self._process.stdin is not None  # noqa: S101 - both are pipes, see above
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(mode)
        line = self._process.stdout.readline().decode()
        if not line.strip().isdigit():
            raise TareError(f"the reference program failed: {line.strip() or 'it ended'}")
        return int(line) / 1e9

    def close(self) -> None:
        """End the program by closing its stdin."""
        with self._process:
            pass


def compile_c(source: Path, folder: Path, *flags: str) -> Path:
    """Compile a C source with libc into ``folder``; return the program's path.

    Raises:
        TareError: there is no compiler, or it fails.
    """
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise TareError(
            "the harness compares with C programs; install a compiler: `apt-get install gcc libc6-dev`"
        )
    program = folder / source.stem
    done = run_quietly([compiler, "-O2", *flags, "-o", program, source])
    if done.returncode:
        raise TareError(
            f"cannot compile {source.name}: {done.stderr.strip()}; try `apt-get install libc6-dev`"
        )
    return program
