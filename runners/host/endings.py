"""Say how processes ended, for messages about programs that fail without a word."""

from __future__ import annotations

import signal

from tare.results.said import say
from tare.runners.host.files import ROOT, read

_KERNELS_OWN = say(
    "ending.by_kernel", ": the kernel or somebody else killed it, and the host's log (`dmesg`) may say why"
)
_QUOTED_CHARACTERS = 300
_OUT_OF_MEMORY = say("ending.out_of_memory", ": the kernel killed it because memory ran out")


def how_ended(code: int) -> str:
    """Describe an exit status, or minus the signal that ended the process, as :mod:`subprocess` gives them."""
    if code >= 0:
        return say("ending.status", "ended with status {code}", code=code)
    try:
        name = signal.Signals(-code).name
        return say("ending.named_signal", "was killed by signal {signal} ({name})", signal=-code, name=name)
    except ValueError:  # real-time signals have no names
        return say("ending.signal", "was killed by signal {signal}", signal=-code)


def exit_or_signal(exit_code: int | None, signal: int | None) -> str:
    """Name the exit status of a job's process, or the signal that ended it."""
    if signal is None:
        return say("ending.exit", "exit status {code}", code=exit_code)
    return say("ending.by_signal", "signal {signal}", signal=signal)


def last_words(said: str, code: int) -> str:
    """Quote the last line that a failed program wrote; if it wrote nothing, say how it ended."""
    lines = said.strip().splitlines()
    if code < 0 or not lines:
        return how_ended(code)
    return lines[-1][-_QUOTED_CHARACTERS:]


def why_killed(code: int, oom_kills_before: int | None) -> str:
    """Add to :func:`how_ended` of SIGKILL what the kernel tells; empty for every other end.

    Args:
        code: as for :func:`how_ended`.
        oom_kills_before: :func:`oom_kills` from before the process was started.
    """
    if code != -signal.SIGKILL:
        return ""
    now = oom_kills()
    if now is not None and oom_kills_before is not None and now > oom_kills_before:
        return _OUT_OF_MEMORY
    return _KERNELS_OWN


def oom_kills() -> int | None:
    """Count the processes that the kernel has killed since boot because memory ran out; ``None``: it does not tell."""
    for line in (read(ROOT / "proc/vmstat") or "").splitlines():
        name, _, count = line.partition(" ")
        if name == "oom_kill" and count.isdecimal():
            return int(count)
    return None
