"""Read the text of a setting into its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def names(text: str) -> tuple[str, ...]:
    """``a,b,c`` → names in the order given, each once."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise ValueError("give at least one name")
    return found


def size(text: str) -> int:
    """``512M``, ``2G``, ``1048576`` → bytes (powers of 1024)."""
    scale = {"K": 10, "M": 20, "G": 30, "T": 40}
    body = text.strip().upper().removesuffix("IB").removesuffix("B")
    shift = scale.get(body[-1:], 0)
    number = float(body[:-1] if shift else body) * (1 << shift)
    if not 1 <= number < 1 << 60:
        raise ValueError("a size is at least one byte")
    return int(number)


def positive(text: str) -> int:
    """A whole number above 0."""
    number = int(text)
    if number < 1:
        raise ValueError("must be 1 or more")
    return number


def seconds(text: str) -> float:
    """A positive, finite number of seconds."""
    number = float(text)
    if not 0 < number < 1e9:
        raise ValueError("must be above 0")
    return number


def programs(text: str) -> dict[str, str]:
    """``runc=/opt/runc,crun=/opt/crun`` → program → path."""
    found = {}
    for part in text.split(","):
        name, sign, path = (word.strip() for word in part.partition("="))
        if not sign or not name or not path:
            raise ValueError("give NAME=PATH")
        found[name] = path
    return found


def percentage(text: str) -> float:
    """``1%``, ``1`` or ``0.5 %`` → a relative difference."""
    number = float(text.strip().removesuffix("%")) / 100
    if not 0 < number < 1:
        raise ValueError("must be above 0 % and below 100 %")
    return number


def cpu_list(text: str) -> tuple[int, ...]:
    """``0-2,5`` → (0, 1, 2, 5), as cpuset files write it."""
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(cpus))


def throughput(text: str) -> tuple[int, int]:
    """``50M``, ``2000iops`` or ``50M,2000iops`` → bytes and operations per second; 0: no limit."""
    found = {"bytes": 0, "operations": 0}
    for part in text.split(","):
        body = part.strip().lower()
        operations = body.endswith("iops")
        kind = "operations" if operations else "bytes"
        if found[kind]:
            raise ValueError("give bytes per second and operations per second once each")
        found[kind] = positive(body.removesuffix("iops")) if operations else size(body.removesuffix("/s"))
    return found["bytes"], found["operations"]


def one_of(*allowed: str) -> Callable[[str], str]:
    """A reader for a fixed set of words."""

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return read
