"""What a report is made from, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.results.judgement.calibration import Calibration
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.rungs import Rise
    from tare.results.record import Manifest, Trial
    from tare.results.storage.load import Problem

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")

Kind = Literal["", "better", "worse", "same", "undecided", "muted", "warning", "problem"]
"""Emphasis of a piece of the report: a verdict, or how urgently it wants to be read. Empty: plain text."""


@dataclass(frozen=True, slots=True)
class ReportInput:
    """One plain value with all that a report says; everything in :mod:`reports` is a function of it."""

    manifest: Manifest
    trials: tuple[Trial, ...]
    comparisons: tuple[Comparison, ...]
    """The run's runners against its base, in any order."""
    problems: tuple[Problem, ...] = ()
    """What was wrong with the result file: cut lines, duplicates, …"""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Name → file or folder that the page links to, by relative path: raw data, exports, profiles."""
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Workload → parameters, for those that were taken off the labels: see :func:`tare.reports.summaries.run.plain_names`."""
    calibration: Calibration | None = None
    """How often the judgement errs on the run's host class, if that was measured."""
    rises: tuple[Rise, ...] = ()
    """What each rung of the isolation ladder adds, if the run climbed it."""


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """The files of a written report."""

    index: Path
    summary: Path
    figures: tuple[Path, ...]
    """PNG and SVG files, in the page's order."""
    lost: Mapping[str, str]
    """Figure → why it could not be drawn; the page says so too."""
