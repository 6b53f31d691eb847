"""Build the section on deploying an application's new version: bytes moved, and time to the first answer."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Node, Paragraph, Section, Table
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH
from tare.results.details import DeployDetails
from tare.results.said import Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tare.reports.content.page import Page
    from tare.results.details import LayerSizes
    from tare.results.record import Trial

WAYS = ("layers-cached", "layers-empty", "disk-raw", "disk-qcow2", "disk-backing")
_COLUMNS = (("moved", "bytes"), ("compressed", "bytes"), ("deliver", "s"), ("start", "s"), ("total", "s"))
NETWORKS = (("100 Mbit/s", 100e6), ("1 Gbit/s", 1e9))
"""Rates of lines, in bits per second. Nothing was sent over such a line; the time is computed from the bytes."""


def section(page: Page) -> Section | None:
    """Build the tables of ways, layers and image reads; ``None`` if nothing was deployed."""
    words = page.words
    trials = [t for t in page.summary.measured if t.family == "deploy" and not t.control]
    if not trials:
        return None
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[trial.workload, trial.runner].append(trial)
    ordered = sorted(groups, key=lambda key: (key[0], page.summary.display.rank(key[1])))
    body: list[Node] = [Paragraph(words("deploy.intro")), _ways(page, ordered, groups)]
    body.append(Paragraph(words("deploy.computed"), kind="muted"))
    body += _layers(page, ordered, groups)
    body += _read(page, ordered, groups)
    return Section("deploy", words("deploy.title"), tuple(body))


def _ways(
    page: Page, ordered: Sequence[tuple[str, str]], groups: Mapping[tuple[str, str], Sequence[Trial]]
) -> Table:
    words = page.words
    rows: list[tuple[Cell, ...]] = []
    keys, breaks = [], []
    for number, (workload, runner) in enumerate(ordered):
        if number and workload != ordered[number - 1][0]:
            breaks.append(len(rows))
        found = metrics(groups[workload, runner])
        for way in WAYS:
            if f"deploy.{way}.total" not in found:
                continue
            keys.append(f"{workload}|{runner}|deploy.{way}.total")
            rows.append(
                (
                    Cell(workload.removeprefix("deploy-")),
                    cells.runner(page, runner),
                    Cell(words(f"deploy.{way.replace('-', '_')}")),
                    *(
                        cells.spread(found.get(f"deploy.{way}.{name}", ()), unit)
                        for name, unit in _COLUMNS
                    ),
                    *(cells.spread(computed(found, way, bits), "s") for _name, bits in NETWORKS),
                )
            )  # fmt: skip
    names = ("way", "moved", "compressed", "deliver", "start", "total")
    heads = [
        words("deploy.payload"),
        words("column.runner"),
        *(words(f"deploy.{name}") for name in names),
        *(words("deploy.over", rate=name) for name, _ in NETWORKS),
    ]
    n = max(len(group) for group in groups.values())
    return Table(
        words("deploy.caption", n=n), tuple(heads), tuple(rows), numeric=tuple(range(3, len(heads))), keys=tuple(keys),
        breaks=tuple(breaks),
    )  # fmt: skip


def computed(found: Mapping[str, Sequence[float]], way: str, bits_per_second: float) -> list[float]:
    """Compute for each trial the seconds to the first answer if the compressed bytes came over a line of that rate."""
    totals, sizes = found[f"deploy.{way}.total"], found[f"deploy.{way}.compressed"]
    return [total + 8 * size / bits_per_second for total, size in zip(totals, sizes, strict=True)]


def metrics(trials: Iterable[Trial]) -> dict[str, list[float]]:
    """Collect the values of each metric, in the order of the trials."""
    found: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        for each in trial.metrics:
            found[each.name].append(each.value)
    return found


def _layers(
    page: Page, ordered: Sequence[tuple[str, str]], groups: Mapping[tuple[str, str], Sequence[Trial]]
) -> list[Node]:
    """Build the table of both versions' layers, which are the same under every runner."""
    words = page.words
    rows: list[tuple[Cell, ...]] = []
    breaks = []
    for workload in dict.fromkeys(workload for workload, _ in ordered):
        brought = (found for key in ordered if key[0] == workload for found in _details(groups[key]))
        versions = next((found.layers for found in brought if found.layers), None)
        if not versions:
            continue
        breaks.append(len(rows))
        known: set[str] = set()
        for version, layers in sorted(versions.items()):
            rows += [_layer(workload, version, layer) for layer in layers if layer.digest not in known]
            known |= {layer.digest for layer in layers}
    if not rows:
        return []
    names = ("payload", "layer", "since", "digest", "files", "size", "tar", "gzip")
    heads = tuple(words(f"deploy.{name}") for name in names)
    return [
        Table(
            words("deploy.layers_caption"), heads, tuple(rows), numeric=(4, 5, 6, 7), breaks=tuple(breaks[1:])
        )
    ]


def _details(trials: Iterable[Trial]) -> list[DeployDetails]:
    return [trial.details for trial in trials if isinstance(trial.details, DeployDetails)]


def _layer(workload: str, version: str, layer: LayerSizes) -> tuple[Cell, ...]:
    sizes = (layer.size_bytes, layer.tar_bytes, layer.gzip_bytes)
    return (
        Cell(workload.removeprefix("deploy-")),
        Cell(Name(layer.name), recorded=True),
        Cell(Name(version), recorded=True),
        Cell(layer.digest[:19] + "…", recorded=True),
        cells.count(layer.files),
        *(Cell(numbers.quantity(size, "bytes"), detail=f"{size:,}", value=size) for size in sizes),
    )


def _read(
    page: Page, ordered: Sequence[tuple[str, str]], groups: Mapping[tuple[str, str], Sequence[Trial]]
) -> list[Node]:
    words = page.words
    rows: list[tuple[Cell, ...]] = []
    for workload, runner in ordered:
        trials = groups[workload, runner]
        found = metrics(trials)
        methods = [found.read.method for found in _details(trials) if found.read]
        reads, images = found.get("deploy.read", []), found.get("deploy.image", [])
        shares = [100 * read / size for read, size in zip(reads, images, strict=True)]
        kernel = [found.get(f"deploy.{name}", []) for name in ("kernel", "initramfs")]
        if not shares and not kernel[0]:
            continue
        share = (
            Cell(f"{statistics.median(shares):.0f} %", value=statistics.median(shares))
            if shares
            else Cell(DASH)
        )
        rows.append(
            (
                Cell(workload.removeprefix("deploy-")),
                cells.runner(page, runner),
                cells.spread(images, "bytes"),
                cells.spread(reads, "bytes"),
                share,
                Cell(methods[0] if methods else DASH, recorded=True),
                *(cells.spread(values, "bytes") for values in kernel),
            )
        )
    if not rows:
        return []
    names = ("image", "read", "share", "method", "kernel", "initramfs")
    heads = (
        words("deploy.payload"),
        words("column.runner"),
        *(words(f"deploy.{name}") for name in names),
    )
    return [Table(words("deploy.read_caption"), heads, tuple(rows), numeric=(2, 3, 4, 6, 7))]
