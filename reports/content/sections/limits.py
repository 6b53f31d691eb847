"""Limits verified from inside: what each runner's jobs saw, and what became of those that wanted more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Bullets, Cell, Details, Item, Node, Paragraph, Section, Table
from tare.reports.plots.style import runner_color
from tare.reports.summaries.runners import rank
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH
from tare.results.judgement import limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.content.page import Page
    from tare.reports.model import Kind
    from tare.reports.text.words import Words
    from tare.results.environment import LimitsSeen, MemoryProbe, PidsProbe

_KINDS: Mapping[str, Kind] = {"held": "worse", "not tried": "muted"}


def section(page: Page) -> Section | None:
    """The table; nothing where the run did not look."""
    words, manifest = page.words, page.summary.given.manifest
    found, asked = limits.seen(manifest), limits.asked(manifest)
    if not found:
        return None
    rows = tuple(_row(words, runner, found[runner]) for runner in sorted(found, key=rank))
    names = ("runner", "cpus", "used", "memory_seen", "memory", "pids", "io")
    given = words(
        "limits.given",
        cpus=asked.cpus if asked else DASH,
        cpuset=",".join(map(str, asked.cpuset if asked else ())) or DASH,
        memory=numbers.quantity(asked.memory_bytes if asked else 0, "bytes"),
        pids=asked.pids if asked else DASH,
    )
    table = Table(words("limits.caption"), tuple(words(f"limits.{name}") for name in names), rows)
    files = tuple(
        Item(_files(found[runner]) or words("limits.no_files"), label=runner, recorded=True)
        for runner in sorted(found, key=rank)
    )
    folded = Details(words("limits.files"), (Bullets(files),))
    body = (Paragraph(words("limits.intro")), Paragraph(given), table, folded)
    return Section("limits", words("limits.title"), body)


def notes(page: Page) -> tuple[Node, ...]:
    """For the fairness notes: where limits are not what was given, each with the runners that it holds for."""
    found = limits.differences(page.summary.given.manifest)
    if not found:
        return ()
    items = tuple(Item(f"{sentence} ({', '.join(runners)})", recorded=True) for sentence, runners in found)
    return (Bullets(items, page.words("limits.notes")),)


def _row(words: Words, runner: str, found: LimitsSeen) -> tuple[Cell, ...]:
    cpus, shown = found.cpus, found.memory_seen_bytes
    used = found.cpu.used if found.cpu else None
    rate = found.io.bytes_per_second if found.io else None
    return (
        Cell(runner, color=runner_color(runner)),
        Cell(str(len(cpus)), detail=",".join(map(str, cpus[:8])), value=len(cpus)),
        Cell(DASH) if used is None else Cell(f"{used:g}", value=used),
        Cell(DASH) if shown is None else Cell(numbers.quantity(shown, "bytes"), value=shown),
        _end(words, found.memory, found.memory.reached_bytes, "bytes"),
        _end(words, found.pids, found.pids.reached, "count"),
        Cell(DASH) if rate is None else Cell(numbers.quantity(rate, "bytes/s"), value=rate),
    )


def _files(found: LimitsSeen) -> str:
    return "; ".join(f"{name} = {value}" for name, value in found.cgroup_files.items())


def _end(words: Words, probe: MemoryProbe | PidsProbe, reached: int | None, unit: str) -> Cell:
    """Show what became of a job that wanted too much, and how far it got."""
    how_far = words("limits.at", amount=numbers.quantity(reached, unit)) if reached else ""
    return Cell(
        words(f"limits.end.{probe.end.replace(' ', '_')}"),
        detail=how_far,
        value=reached or None,
        kind=_KINDS.get(probe.end, "better"),
    )
