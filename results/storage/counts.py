"""Store and read ``counts.json``: how many instructions the versions of a command execute, beside a run's trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tare.results.errors import ResultError
from tare.results.plain_files import read_plain
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = "counts.json"


class InstructionCount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Instructions in user mode of one command and its children, on bare metal."""

    version: str
    """Name of the version: ``base``, ``head``, or ``command`` if there is one only."""
    command: str
    """Its command line."""
    metric: str
    """``instructions.user`` (by the PMU) or ``instructions.callgrind``."""
    counts: tuple[int, ...] = ()
    """Count of each run, in their order; they are equal if the command is deterministic. Empty: see :attr:`failure`."""
    failure: str = ""
    """Reason why there is no count, as a sentence's part; else empty."""
    remedy: str = ""
    """What to do about the failure."""


def write_counts(run_dir: Path, counts: Sequence[InstructionCount]) -> None:
    """Write a run's counts beside its trials."""
    encoded = msgspec.json.format(msgspec.json.encode(list(counts)), indent=2)
    (run_dir / FILE).write_bytes(encoded + b"\n")


def read_counts(run_dir: Path) -> tuple[InstructionCount, ...]:
    """Read a run's counts; none if nothing was counted.

    Raises:
        ResultError: the file cannot be read.
    """
    path = run_dir / FILE
    try:
        return tuple(msgspec.json.decode(read_plain(path), type=list[InstructionCount]))
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise ResultError(say(
            "file.counts", "{path} cannot be read: {error}. Remove it, or count again by --count.",
            path=path, error=error,
        )) from error  # fmt: skip
