"""Hold what sections are built from: the run's summary, the words, and the figures that were drawn."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tare.reports.content.nodes import Paragraph, Picture
from tare.reports.summaries import names
from tare.reports.text.numbers import DASH
from tare.reports.text.repeated import repeat
from tare.results.origins import origin
from tare.results.said import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tare.reports.content.nodes import Link, Node, Section
    from tare.reports.model import Language
    from tare.reports.summaries.cases import CaseKey
    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words
    from tare.results.judgement.comparison import Comparison
    from tare.results.record import Manifest


REASONS = (
    "beyond",
    "within",
    "drifts",
    "noisy",
    "may_last",
    "no_ratio",
    "one_each",
    "too_few",
    "few_openings",
    "dependent",
    "coarse",
    "maybe_noise",
    "too_wide",
    "chance",
)
"""Reasons of verdicts that there are few words for (``why.<reason>``); ``rule.<reason>`` are the sentences that say them."""


DOUBTS = ("drifts", "noisy", "may_last", "few_openings", "dependent", "coarse", "maybe_noise", "chance")
"""Reasons to call an answer undecided that its interval alone does not show (``doubt.<reason>``: in a word or two)."""


@dataclass(frozen=True, slots=True)
class Page:
    """Give a section everything it may use."""

    summary: Summary
    words: Words
    figures: frozenset[str] = frozenset()
    """Names of the figures that were drawn."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """Figure → why it could not be drawn."""
    links: tuple[Link, ...] = ()
    siblings: Mapping[Language, str] = field(default_factory=dict)
    """Language → file name of the same page in it, beside this one."""
    figure_suffix: str = ""
    """What stands between a figure's name and its file's extension: ``.ko`` for figures with Korean words."""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """Figure → name of its PNG file."""
    built: dict[Callable[[Page], Section | None], Section | None] = field(default_factory=dict, compare=False)
    """Sections that were built: the page and the summary share most of them."""

    @property
    def base(self) -> str:
        """Label of the runner that the others are compared with."""
        return self.summary.base

    @property
    def started(self) -> str:
        """Start of the run, ``2026-11-23 20:00:00``, in UTC; as recorded if that is no ISO 8601."""
        return moment(self.summary.given.manifest.created)

    @property
    def host(self) -> str:
        """Host in a few words: processor, number of CPUs, kernel; a dash where the record names none of them."""
        return host_line(self.summary.given.manifest, self.words)

    def case_name(self, case: CaseKey) -> str:
        """Name a case in a table: ``start-up (null)``, or its label."""
        return names.case_name(case, self.words)

    def spoken_case(self, case: CaseKey) -> str:
        """Name a case in a sentence: ``start-up``, or its label."""
        return names.spoken_case(case, self.words)

    def recorded(self, text: str) -> str:
        """Repeat a text of the record or of the judgement in the page's language; unchanged where that has no sentence."""
        return repeat(text, self.words, self.summary.said)

    def woven(self, text: str) -> str:
        """Repeat a text within a sentence of the page; where the page's language has none for it, refer to the record."""
        told = self.recorded(text)
        return told if told != text or self.words.language == "en" else self.words("page.in_english")

    def briefly(self, text: str) -> str:
        """Tell the reason of a verdict in a few words, where all of its numbers stand beside it; else as it is recorded."""
        said = self.summary.said.get(text) or origin(text)
        if said is None or (reason := said.code.removeprefix("rule.")) not in REASONS:
            return self.recorded(text).removesuffix(".")
        return self.words(
            f"why.{reason}", **{key: self.recorded(value) for key, value in said.values.items()}
        )

    def doubt(self, comparison: Comparison, *, short: bool = False) -> str:
        """Tell why an answer is undecided, where its bounds do not show it; empty where they do."""
        said = self.summary.said.get(comparison.because) or origin(comparison.because)
        if comparison.verdict != "undecided" or said is None:
            return ""
        if (reason := said.code.removeprefix("rule.")) not in DOUBTS:
            return ""
        return self.words(f"doubt.{reason}") if short else self.briefly(comparison.because)

    def runner_name(self, label: str) -> str:
        """Name a runner: ``bare (again)`` for the base's second measurement, or its label."""
        return names.runner_name(label, self.words)

    def picture(self, name: str) -> tuple[Node, ...]:
        """Give the figure, or a note that it could not be drawn; nothing where the run has no data for it."""
        lost: tuple[Node, ...] = ()
        if name in self.lost:
            why = self.words("page.figure_lost", name=name, why=self.lost[name])
            lost = (Paragraph(why, kind="problem"),)
        if name not in self.figures:
            return lost
        alt = self.words(f"figure.{name}.alt", base=self.base)
        # A figure that only its PNG file was lost of is on the page all the same.
        return (*lost, Picture(name, alt, self.words(f"figure.{name}.caption")))


def host_line(about: Manifest, words: Words) -> str:
    """Describe a run's host in a few words: processor, number of CPUs, kernel; a dash if the record names none of them."""
    host = about.host
    cpu: Any = host.get("cpu")
    kernel: Any = host.get("kernel")
    count = None
    if isinstance(cpu, dict):
        cpu, count = cpu.get("model"), cpu.get("allowed")
    if isinstance(kernel, dict):
        kernel = kernel.get("release")
    parts = (
        str(cpu or ""),
        words("page.cpus", n=count) if count else "",
        f"Linux {kernel}" if kernel else "",
    )
    return listed(filter(None, parts), ", ") or DASH


def moment(recorded: str) -> str:
    """Write a recorded time in UTC, ``2026-11-23 20:00:00``; as recorded if that is no ISO 8601."""
    try:
        told = datetime.datetime.fromisoformat(recorded)
    except ValueError:
        return recorded
    return told.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
