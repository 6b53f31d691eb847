"""Run helper programs of the host, such as ``ip``, ``apt-get`` and ``mke2fs``."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def run_quietly(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program without input and collect what it says; its exit status is for the caller to judge.

    A program that asks a question gets the end of its input instead of the user's terminal, and what it says that is not
    UTF-8 is replaced: it is for people.

    Args:
        command: program and arguments.
        env: its environment; ``None``: the suite's own.
        cwd: folder to run it in; ``None``: the suite's own.
        timeout: seconds after which it is killed; ``None``: never.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it was killed.
    """
    return subprocess.run(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )
