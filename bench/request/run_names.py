"""Read the name that a user gives a run."""

from __future__ import annotations

from tare.bench.request.amounts import Because
from tare.bench.request.readers import Reader
from tare.results.said import say

_LONGEST = 200


def _check(name: str) -> None:
    from tare.results.escapes import is_one_line  # noqa: PLC0415 - imports msgspec, which pytest starts without

    if len(name) > _LONGEST:
        raise Because(say("reader.long_name", "it has more than {most} characters", most=_LONGEST))
    if not is_one_line(name):
        raise Because(say("reader.not_one_line", "it has a line end or another control character"))
    if name == "latest":
        raise Because(say("reader.newest", "it stands for the newest run"))


run_name = Reader(str.strip, f"a name on one line, of {_LONGEST} characters at most", "nightly", _check)
"""A run's name, which is shown in tables and found by."""
