"""Read and find thresholds: the relative difference that matters, by series. Each exception has a reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from tare.results.errors import ResultError
from tare.results.said import say
from tare.results.toml_files import read_toml

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_THRESHOLD = 0.02
"""Relative difference that matters, unless the user says otherwise."""

_KEYS = ("workload", "runner", "metric")


@dataclass(frozen=True, slots=True)
class Exemption:
    """A threshold for the series that match its patterns, which are those of a shell (``*``, ``?``, ``[…]``)."""

    threshold: float
    """Relative difference that matters: 0.02 is 2 %."""
    reason: str
    """Why these series may differ more, or less, than others."""
    workload: str = "*"
    runner: str = "*"
    metric: str = "*"

    def fits(self, workload: str, runner: str, metric: str) -> bool:
        """Return whether all three patterns match."""
        return (
            fnmatchcase(workload, self.workload)
            and fnmatchcase(runner, self.runner)
            and fnmatchcase(metric, self.metric)
        )


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The default threshold and the exceptions to it; the last one that fits counts."""

    default: float = DEFAULT_THRESHOLD
    exceptions: tuple[Exemption, ...] = ()

    def for_series(self, workload: str, runner: str, metric: str) -> tuple[float, str]:
        """Return the threshold of a series, and its reason if it is an exception, else an empty text."""
        for exemption in reversed(self.exceptions):
            if exemption.fits(workload, runner, metric):
                return exemption.threshold, exemption.reason
        return self.default, ""


def read_thresholds(path: Path) -> Thresholds:
    """Read a file of thresholds.

    The file is TOML: ``default = 0.02``, and any number of ``[[exception]]`` tables with ``threshold``,
    ``reason`` and at least one of ``workload``, ``runner``, ``metric``.

    Raises:
        ResultError: the file cannot be read, or its contents are not valid.
    """
    try:
        return _thresholds(read_toml(path), str(path))
    except OSError as error:
        raise ResultError(say(
            "thresholds.unreadable", "cannot read the thresholds {path}: {strerror}.",
            path=path, strerror=error.strerror,
        )) from error  # fmt: skip
    except ValueError as error:
        raise ResultError(
            say("thresholds.invalid", "cannot use the thresholds {path}: {error}.", path=path, error=error)
        ) from error


def _thresholds(raw: dict[str, Any], where: str) -> Thresholds:
    _refuse_unknown(raw, {"default", "exception"}, where)
    exceptions = raw.get("exception", [])
    if not isinstance(exceptions, list) or not all(isinstance(item, dict) for item in exceptions):
        raise ResultError(
            say("thresholds.tables", "{where}: exceptions are written as [[exception]] tables.", where=where)
        )
    return Thresholds(
        _threshold(raw.get("default", DEFAULT_THRESHOLD), f"{where}: default"),
        tuple(_exemption(item, f"{where}: exception {i}") for i, item in enumerate(exceptions, 1)),
    )


def _exemption(raw: dict[str, Any], where: str) -> Exemption:
    _refuse_unknown(raw, {"threshold", "reason", *_KEYS}, where)
    patterns = {key: raw[key] for key in _KEYS if key in raw}
    if not patterns:
        raise ResultError(say(
            "thresholds.no_series", "{where} names no series: give workload, runner or metric; for all, change the default.",
            where=where,
        ))  # fmt: skip
    if not all(isinstance(pattern, str) and pattern for pattern in patterns.values()):
        raise ResultError(say(
            "thresholds.patterns", "{where}: workload, runner and metric are patterns in quotes.",
            where=where,
        ))  # fmt: skip
    reason = raw.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise ResultError(say(
            "thresholds.no_reason", "{where} has no reason: say why this series may differ more, so that others can judge it.",
            where=where,
        ))  # fmt: skip
    if "threshold" not in raw:
        raise ResultError(say("thresholds.no_threshold", "{where} has no threshold.", where=where))
    return Exemption(_threshold(raw["threshold"], where), reason.strip(), **patterns)


def _threshold(value: object, where: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or not 0 < value < 10
    ):
        raise ResultError(say(
            "thresholds.range", "{where}: a threshold is a relative difference between 0 and 10, such as 0.05; not {value!r}.",
            where=where, value=value,
        ))  # fmt: skip
    return float(value)


def _refuse_unknown(raw: dict[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(set(raw) - known):
        raise ResultError(say(
            "thresholds.unknown", "{where} has unknown keys: {unknown}. Known are {known}.",
            where=where, unknown=", ".join(unknown), known=", ".join(sorted(known)),
        ))  # fmt: skip
