"""Read, check and write amounts: numbers, sizes, times, lists of CPUs and rates, as settings have them."""

from __future__ import annotations

import re
from typing import NamedTuple

from tare.results.said import say

_MOST_CPUS = 1 << 16
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?[0-9]+")
_LEAST_SHARE = 1e-6
_LEAST_SECONDS = 1e-3


class Because(ValueError):
    """A reason in our own words, for the beginning of an :class:`Unreadable`."""


class Throughput(NamedTuple):
    """Rates at which a place may read, and again write."""

    bytes_per_second: int = 0
    """0: no limit."""
    operations_per_second: int = 0
    """0: no limit."""


def number(text: str) -> float:
    """Read a number as people write it; Python would also take ``nan``, ``1_000`` and digits of other scripts."""
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError(text)
    return float(text)


def whole_number(text: str) -> int:
    """Read a whole number written in ASCII digits."""
    if not _WHOLE.fullmatch(text.strip()):
        raise ValueError(text)
    return int(text)


def size(text: str) -> int:
    """Read a number of bytes, with or without K, M, G or T."""
    scale = {"K": 10, "M": 20, "G": 30, "T": 40}
    body = text.strip().upper().removesuffix("IB").removesuffix("B")
    shift = scale.get(body[-1:], 0)
    found = number(body[:-1] if shift else body) * (1 << shift)
    check_size(found)
    return int(found)


def check_size(number: float) -> None:
    """Refuse what is no size of anything."""
    if not 1 <= number < 1 << 60:
        raise Because(
            say("reader.too_large", "it is too large")
            if number >= 1
            else say("reader.one_byte", "a size is at least one byte")
        )


def check_positive(number: int) -> None:
    """Refuse what is below 1 or too large for a counter."""
    if not 1 <= number < 1 << 31:
        raise Because(
            say("reader.below_one", "it is below 1")
            if number < 1
            else say("reader.too_large", "it is too large")
        )


def check_storable(number: int) -> None:
    """Refuse what a file cannot hold."""
    if not -(1 << 63) <= number < 1 << 63:
        raise Because(say("reader.too_large", "it is too large"))


def size_text(number: int) -> str:
    """Write bytes as :func:`size` reads them."""
    for shift, unit in ((40, "T"), (30, "G"), (20, "M"), (10, "K")):
        if number >> shift and not number % (1 << shift):
            return f"{number >> shift}{unit}"
    return str(number)


def seconds(text: str) -> float:
    """Read a time in seconds, minutes or hours."""
    body = text.strip().lower()
    scale = {"s": 1, "m": 60, "h": 3600}
    unit = scale.get(body[-1:])
    return number(body if unit is None else body[:-1]) * (unit or 1)


def seconds_text(number: float) -> str:
    """Write a time as :func:`seconds` reads it."""
    return f"{int(number) if number == int(number) else number}s"


def check_seconds(number: float) -> None:
    """Refuse a time that is not positive, or out of range."""
    if not 0 < number < 1e9:
        raise Because(
            say("reader.too_large", "it is too large")
            if number > 0
            else say("reader.not_positive", "it is not above 0")
        )
    if number < _LEAST_SECONDS:
        raise Because(say("reader.too_small", "it is too small"))


def check_share(number: float) -> None:
    """Refuse a share outside of 0 and 1, or too small to be reached."""
    if not 0 < number < 1:
        raise Because(say("reader.percent", "it is not between 0 % and 100 %"))
    if number < _LEAST_SHARE:
        raise Because(say("reader.too_small", "it is too small"))


def cpu_list(text: str) -> tuple[int, ...]:
    """Read numbers of CPUs and ranges of them, as cpuset files have them."""
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        low, high = whole_number(first), whole_number(last or first)
        if high < low or high >= _MOST_CPUS:
            raise Because(
                say("reader.backwards", "{strip} runs backwards", strip=part.strip())
                if high < low
                else say("reader.no_cpu", "there is no CPU {high}", high=high)
            )
        cpus.update(range(low, high + 1))
    return tuple(sorted(cpus))


def check_cpus(cpus: tuple[int, ...]) -> None:
    """Refuse a CPU below 0, which a file may name."""
    if any(cpu < 0 for cpu in cpus):
        raise Because(say("reader.cpu_zero", "CPUs are counted from 0"))


def throughput(text: str) -> Throughput:
    """Read bytes or operations per second, or both."""
    found = {"bytes": 0, "operations": 0}
    for part in text.split(","):
        body = part.strip().lower()
        kind = "operations" if body.endswith("iops") else "bytes"
        if found[kind]:
            raise Because(say("reader.twice", "the {kind} per second are given twice", kind=kind))
        limit = body.removesuffix("iops")
        found[kind] = whole_number(limit) if kind == "operations" else size(body.removesuffix("/s"))
        if kind == "operations":
            check_positive(found[kind])
    return Throughput(found["bytes"], found["operations"])


def check_throughput(rates: Throughput) -> None:
    """Refuse a negative rate, which a file may have."""
    if min(rates) < 0:
        raise Because(say("reader.negative", "a rate is not negative"))


def throughput_text(rates: Throughput) -> str:
    """Write rates as :func:`throughput` reads them."""
    parts = (size_text(rates[0]) if rates[0] else "", f"{rates[1]}iops" if rates[1] else "")
    return ",".join(filter(None, parts))
