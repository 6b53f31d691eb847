"""Exports: a run in the formats that other tools read.

Each format is a module with ``NAME``, ``SUMMARY`` and ``render(given) -> bytes``; a new one is one module and one entry
in :data:`FORMATS`. ``docs/exports.md`` says what each carries and what it has no place for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tare.reports.exports import (
    bencher,
    chrome_trace,
    csv,
    github,
    hyperfine,
    junit,
    openmetrics,
    otava,
    parquet,
    pyperf,
    pytest_benchmark,
)

if TYPE_CHECKING:
    from tare.reports.model import ReportInput


class Export(Protocol):
    """A format."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """What ``--format`` calls it."""

    @property
    def SUMMARY(self) -> str:  # noqa: N802
        """What it is for, in a line."""

    def render(self, given: ReportInput) -> bytes:
        """The run as a file of this format."""


FORMATS: tuple[Export, ...] = (
    csv,
    parquet,
    pytest_benchmark,
    github.SMALLER,
    github.BIGGER,
    bencher,
    pyperf,
    hyperfine,
    openmetrics,
    junit,
    chrome_trace,
    otava,
)
