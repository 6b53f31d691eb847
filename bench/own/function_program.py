"""Call a function that was carried into a place, and print the time of a call as JSON.

The source of this module is a part of every script that :mod:`tare.bench.own.functions` writes. It runs in places with
nothing but the standard library and what the function itself needs.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from base64 import b85decode
from functools import partial
from itertools import repeat
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENOUGH_SECONDS = 0.1
"""Length of a batch of calls that is long against the clock's resolution and one tick of the scheduler."""
MOST_CALLS = 1 << 24


def time_calls(function: Callable[[], object], calls: int) -> float:
    """Call a function so often; return the seconds that took, by the place's monotonic clock."""
    started = perf_counter()
    for _ in repeat(None, calls):
        function()
    return perf_counter() - started


def measure(function: Callable[[], object], calls: int, warmups: int) -> dict[str, float]:
    """Time a function; the calls that warm it up are not among those that are timed together.

    Args:
        function: takes no arguments.
        calls: number of calls to time; 0: doubled until they take :data:`ENOUGH_SECONDS`.
        warmups: calls before.
    """
    found = {}
    for number in range(warmups):
        seconds = time_calls(function, 1)
        if number == 0:
            found["first"] = seconds
    count = calls or 1
    seconds = time_calls(function, count)
    while not calls and seconds < ENOUGH_SECONDS and count < MOST_CALLS:
        count *= 2
        seconds = time_calls(function, count)
    return {**found, "seconds": seconds / count, "calls": count}


def main(payload: str, words: Sequence[str]) -> None:
    """Unpack the function, measure it, and print the result as the only line of the standard output.

    Args:
        payload: the pickled function, and for each of its parameters a table of the values by their texts.
        words: number of calls, number of warm-ups, then ``NAME=TEXT`` for each parameter.
    """
    result = os.dup(1)
    os.dup2(2, 1)  # what the function itself prints goes to the standard error
    function, tables = pickle.loads(b85decode(payload))  # noqa: S301 - written by the user's own session
    chosen: dict[str, Any] = {
        name: tables[name][text] for name, _, text in (word.partition("=") for word in words[2:])
    }
    found = measure(partial(function, **chosen) if chosen else function, int(words[0]), int(words[1]))
    sys.stdout.flush()
    os.write(result, (json.dumps(found) + "\n").encode())
