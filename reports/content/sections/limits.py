"""Build the section on limits verified from inside: what jobs saw, and what became of those that exceeded them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Bullets, Cell, Details, Item, Node, Paragraph, Section, Table
from tare.reports.content.page import moment
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
    """Build the table, with the cgroup files folded; ``None`` if limits were not verified."""
    words, manifest = page.words, page.summary.given.manifest
    found, asked = limits.seen(manifest), limits.asked(manifest)
    if not found:
        return None
    runners = sorted(found, key=page.summary.display.rank)
    rows = tuple(_row(page, runner, found[runner]) for runner in runners)
    names = ("cpus", "used", "memory_seen", "memory", "pids", "io")
    heads = (words("column.runner"), *(words(f"limits.{name}") for name in names))
    cpuset = ",".join(map(str, asked.cpuset if asked else ()))
    given = words(
        "limits.given",
        cpus=asked.cpus if asked else DASH,
        cpuset=words("limits.on_cpus", cpuset=cpuset) if cpuset else words("limits.any_cpus"),
        memory=numbers.quantity(asked.memory_bytes if asked else 0, "bytes"),
        pids=asked.pids if asked else DASH,
    )
    table = Table(words("limits.caption"), heads, rows)
    files = tuple(
        Item(_files(found[runner]) or words("limits.no_files"), label=runner, recorded=True)
        for runner in runners
    )
    folded = Details(words("limits.files"), (Bullets(files),))
    body = (Paragraph(words("limits.intro")), Paragraph(given), *_earlier(page, found), table, folded)
    return Section("limits", words("limits.title"), body)


def _earlier(page: Page, found: Mapping[str, LimitsSeen]) -> tuple[Node, ...]:
    """Say which limits an earlier run verified, and when."""
    when = [f"{runner} ({moment(one.verified)} UTC)" for runner, one in found.items() if one.verified]
    return (Paragraph(page.words("limits.earlier", runners=", ".join(when))),) if when else ()


def notes(page: Page) -> tuple[Node, ...]:
    """List for the fairness notes where limits differ from those asked for, with the runners concerned."""
    found = limits.differences(page.summary.given.manifest)
    if not found:
        return ()
    items = tuple(
        Item(f"{page.recorded(sentence)} ({', '.join(runners)})", recorded=True)
        for sentence, runners in found
    )
    return (Bullets(items, page.words("limits.notes")),)


def _row(page: Page, runner: str, found: LimitsSeen) -> tuple[Cell, ...]:
    cpus, shown = found.cpus, found.memory_seen_bytes
    used = found.cpu.used if found.cpu else None
    rate = found.io.bytes_per_second if found.io else None
    return (
        cells.runner(page, runner),
        Cell(str(len(cpus)), detail=",".join(map(str, cpus[:8])), value=len(cpus)),
        Cell(DASH) if used is None else Cell(f"{used:g}", value=used),
        cells.quantity(shown, "bytes"),
        _end(page.words, found.memory, found.memory.reached_bytes, "bytes"),
        _end(page.words, found.pids, found.pids.reached, "count"),
        cells.quantity(rate, "bytes/s"),
    )


def _files(found: LimitsSeen) -> str:
    return "; ".join(f"{name} = {value}" for name, value in found.cgroup_files.items())


def _end(words: Words, probe: MemoryProbe | PidsProbe, reached: int | None, unit: str) -> Cell:
    """Make the cell that tells what became of a job beyond its limit, and how far it got."""
    how_far = words("limits.at", amount=numbers.quantity(reached, unit)) if reached else ""
    return Cell(
        words(f"limits.end.{probe.end.replace(' ', '_')}"),
        detail=how_far,
        value=reached or None,
        kind=_KINDS.get(probe.end, "better"),
    )
