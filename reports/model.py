"""Define the input and the output of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.results.judgement.calibration import Calibration
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.counts import CountsCompared
    from tare.results.judgement.rungs import RungCost
    from tare.results.record import Manifest, Trial
    from tare.results.storage.load import Problem

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")

PAGES: dict[Language, str] = {"en": "index.html", "ko": "index.ko.html"}
"""Language → file name of its page. All pages of a report lie beside each other."""

PROFILES = "profiles"
"""Name of the folder for profiles inside a run's folder. Figures in it whose words are not English are ``NAME.LANGUAGE.svg``."""

Kind = Literal["", "better", "worse", "same", "undecided", "muted", "warning", "problem"]
"""Emphasis of a piece of the report: a verdict, or how urgently it wants to be read. Empty: plain text."""


RunnerKind = Literal["host", "container", "engine", "guest", ""]
"""Kind of place that a runner makes, as its registry has it; empty: not known, as for imported runs."""


class RunnerStyle(msgspec.Struct, frozen=True):
    """Hold the colour of a runner, its kind, and the order of its variants."""

    color: str
    """``#rrggbb``; a runner has the same colour in every figure of every report."""
    variants: tuple[str, ...] = ()
    """Variants in display order, the empty one for a label without a variant, which is first if it is missing here. Other
    variants follow by name."""
    kind: RunnerKind = ""


class ReportInput(msgspec.Struct, frozen=True):
    """Hold all that a report is built from; everything in :mod:`tare.reports` is a function of it."""

    manifest: Manifest
    trials: tuple[Trial, ...]
    comparisons: tuple[Comparison, ...]
    """Comparisons of the run's runners with its base, in any order."""
    problems: tuple[Problem, ...] = ()
    """Defects of the result file, such as truncated lines and duplicates."""
    files: Mapping[str, Path] = msgspec.field(default_factory=dict)
    """Name → file or folder that the page links to by relative path: raw data, exports, profiles."""
    parameters: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    """Workload → the parameters that :func:`tare.reports.summaries.run.plain_names` removed from its label."""
    calibration: Calibration | None = None
    """Error rates of the judgement on the run's host class; ``None`` if they were not measured."""
    rung_costs: tuple[RungCost, ...] = ()
    """Cost that each rung of the isolation ladder adds; empty if the run did not measure the ladder."""
    counts: CountsCompared | None = None
    """The versions of a command compared by their instructions; ``None`` if these were not counted."""
    styles: Mapping[str, RunnerStyle] = msgspec.field(default_factory=dict)
    """Runner, without variant → its style, in display order; runners that are missing here follow by name."""


class ReportPaths(msgspec.Struct, frozen=True):
    """Name the files of a written report."""

    index: Path
    """Page in the language that was asked for; the others are beside it, by the names in :data:`PAGES`."""
    summary: Path
    figures: tuple[Path, ...]
    """SVG files, in the page's order."""
    lost: Mapping[str, str]
    """Figure → the reason why it could not be drawn, which the page gives too."""
