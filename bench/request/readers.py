"""Readers: turn the text of a setting into its value, and check values that come from elsewhere.

Imported with the declarations whenever pytest starts with the plugin, so the groups of settings are not imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


class Throughput(NamedTuple):
    """Rates at which a place may read, and again write."""

    bytes_per_second: int = 0
    """0: no limit."""
    operations_per_second: int = 0
    """0: no limit."""


@dataclass(frozen=True, slots=True)
class Reader(Generic[T]):
    """Reader of one kind of value, from text."""

    parse: Callable[[str], T]
    """Text → value; raises ``ValueError`` where the text makes none."""
    check: Callable[[T], None] = lambda _value: None
    """Raises ``ValueError`` for a value of the right type that means nothing; also asked of values from JSON."""
    write: Callable[[T], str] = str
    """Value → text, for the default that ``--help`` shows. Empty text: it shows none."""

    def __call__(self, text: str) -> T:
        """Read a value.

        Raises:
            ValueError: the text cannot be used; the message says what could.
        """
        value = self.parse(text)
        self.check(value)
        return value


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _some_names(found: tuple[str, ...]) -> None:
    if not found or not all(found):
        raise ValueError("give at least one name")


def _size(text: str) -> int:
    scale = {"K": 10, "M": 20, "G": 30, "T": 40}
    body = text.strip().upper().removesuffix("IB").removesuffix("B")
    shift = scale.get(body[-1:], 0)
    number = float(body[:-1] if shift else body) * (1 << shift)
    _size_in_range(number)
    return int(number)


def _size_in_range(number: float) -> None:
    if not 1 <= number < 1 << 60:
        raise ValueError("a size is at least one byte")


def _at_least_one(number: int) -> None:
    if not 1 <= number < 1 << 31:
        raise ValueError("must be 1 or more" if number < 1 else "is too large")


def _some_seconds(number: float) -> None:
    if not 0 < number < 1e9:
        raise ValueError("must be above 0")


def _programs(text: str) -> Mapping[str, str]:
    found = {}
    for part in text.split(","):
        name, sign, path = (word.strip() for word in part.partition("="))
        if not sign or not name or not path:
            raise ValueError("give NAME=PATH")
        found[name] = path
    return found


def _share(number: float) -> None:
    if not 0 < number < 1:
        raise ValueError("must be above 0 % and below 100 %")


def _cpu_list(text: str) -> tuple[int, ...]:
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(cpus))


def _are_cpus(cpus: tuple[int, ...]) -> None:
    if any(cpu < 0 for cpu in cpus):
        raise ValueError("CPUs are counted from 0")


def _throughput(text: str) -> Throughput:
    found = {"bytes": 0, "operations": 0}
    for part in text.split(","):
        body = part.strip().lower()
        kind = "operations" if body.endswith("iops") else "bytes"
        if found[kind]:
            raise ValueError("give bytes per second and operations per second once each")
        limit = body.removesuffix("iops")
        found[kind] = positive(limit) if kind == "operations" else size(body.removesuffix("/s"))
    return Throughput(found["bytes"], found["operations"])


def _not_negative(rates: Throughput) -> None:
    if min(rates) < 0:
        raise ValueError("a rate is not negative")


def _kernel(text: str) -> str:
    from tare.runners.settings import KERNEL_SOURCES  # noqa: PLC0415 - see above

    return text if not text or text in KERNEL_SOURCES else str(_absolute(text))


def _is_language(word: str) -> None:
    from tare.reports.model import LANGUAGES  # noqa: PLC0415 - see above

    one_of(*LANGUAGES).check(word)


def _is_accelerator(word: str) -> None:
    from tare.runners.settings import Accel  # noqa: PLC0415 - see above

    one_of(*get_args(Accel)).check(word)


def _absolute(text: str) -> Path:
    return Path(text).expanduser().absolute()


names = Reader(_names, _some_names)
"""``a,b,c`` → names in the order given, each once."""

size = Reader(_size, _size_in_range, lambda number: f"{number >> 30}G")
"""``512M``, ``2G``, ``1048576`` → bytes (powers of 1024)."""

positive = Reader(int, _at_least_one)
"""A whole number above 0."""

whole = Reader(int)
"""Any whole number."""

text = Reader(str)
"""The text as it is."""

seconds = Reader(float, _some_seconds)
"""A positive, finite number of seconds."""

programs = Reader(_programs)
"""``runc=/opt/runc,crun=/opt/crun`` → program → path."""

percentage = Reader(lambda text: float(text.strip().removesuffix("%")) / 100, _share)
"""``1%``, ``1`` or ``0.5 %`` → a relative difference, 0.01."""

cpu_list = Reader(_cpu_list, _are_cpus)
"""``0-2,5`` → (0, 1, 2, 5), as cpuset files write it."""

throughput = Reader(_throughput, _not_negative, lambda _rates: "")
"""``50M``, ``2000iops`` or ``50M,2000iops`` → bytes and operations per second; 0: no limit."""

folder = Reader(Path)
"""A path, relative to the working directory unless it is absolute."""

file = Reader(lambda text: _absolute(text) if text else None)
"""A path made absolute, with ``~`` expanded; empty: ``None``."""

kernel = Reader(_kernel)
"""The word for a kernel (:data:`tare.runners.settings.KERNEL_SOURCES`), or the absolute path of one."""

line = Reader(str.strip)
"""Text without the white space around it."""


def one_of(*allowed: str) -> Reader[str]:
    """Make the reader for a fixed set of words."""

    def check(word: str) -> None:
        if word not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")

    return Reader(str, check)


language = Reader(str, _is_language)
"""One of the languages that reports are written in."""

accelerator = Reader(str, _is_accelerator)
"""``auto``, ``kvm`` or ``tcg``."""
