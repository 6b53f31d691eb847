"""Export a run in the formats that other tools read.

Each format is a module with ``NAME``, ``SUMMARY`` and ``render(given) -> bytes``; a new format is one module and one
entry in :data:`FORMATS`. ``docs/exports.md`` lists what each format carries and what it has no place for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tare.reports.exports import (
    bencher,
    chrome_trace,
    csv,
    github,
    gitlab,
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
    """Render a run in one format; modules and objects implement it."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """Name of the format on the command line: ``--format NAME``."""

    @property
    def SUMMARY(self) -> str:  # noqa: N802
        """One line on what the format is for, for ``--help``."""

    def render(self, given: ReportInput) -> bytes:
        """Render the run as a file of this format."""


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
    gitlab,
    junit,
    chrome_trace,
    otava,
)
