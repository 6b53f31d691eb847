"""Write a calibration's rates as tables for people, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tare.results.judgement.calibration import blocks_for
from tare.results.statistics.phrases import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.results.judgement.calibration import Calibration, Rate

GOAL = 0.95
"""Share of slowdowns to find, for the table of the blocks that this takes."""


def as_json(found: Calibration) -> str:
    """Return the whole calibration as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def as_text(found: Calibration) -> str:
    """Return the tables with columns separated by blanks."""
    return "\n".join(_lines(found, _plain))


def as_markdown(found: Calibration) -> str:
    """Return the tables in Markdown."""
    return "\n".join(_lines(found, _pipes))


def _lines(found: Calibration, table: Table) -> Iterator[str]:
    load = " to ".join(f"{one:.1f}" for one in found.load)
    told = f"; load average {load}" if load else ""
    yield f"Run {found.run}: {count(found.blocks, 'block')}; threshold {found.threshold * 100:g} %{told}."
    yield ""
    yield "False alarms: A/A, called worse or better"
    yield ""
    heads = [
        "kind",
        "runner",
        "metric",
        "blocks",
        "comparisons",
        "distinct",
        "false calls",
        "`mean:5%`",
        "150 %",
    ]
    yield from table(heads, [_false_row(rate) for rate in found.rates if not rate.share])
    yield ""
    yield "Slowdowns found"
    yield ""
    shares = sorted({rate.share for rate in found.rates if rate.share})
    heads = [
        "kind",
        "runner",
        "metric",
        "blocks",
        "distinct",
        "half width",
        *(f"{s * 100:g} %" for s in shares),
    ]
    heads += [f"{s * 100:g} %, `mean:5%`" for s in shares if s >= 0.05]
    yield from table(heads, list(_power_rows(found.rates, shares)))
    yield ""
    yield f"Blocks from which on {GOAL * 100:g} % are found"
    yield ""
    heads = ["kind", "runner", "metric", *(f"{s * 100:g} %" for s in shares)]
    yield from table(heads, list(_needed_rows(found.rates, shares)))


def _false_row(rate: Rate) -> list[str]:
    made = f"{rate.comparisons}" + (", relabelled" if rate.relabelled else "")
    return [
        rate.workload, rate.runner, rate.metric, str(rate.blocks), made, str(rate.distinct), _p(rate.false_calls),
        _p(rate.mean_5 / rate.comparisons), _p(rate.mean_150 / rate.comparisons),
    ]  # fmt: skip


def _grouped(rates: Sequence[Rate]) -> dict[tuple[str, str, str], list[Rate]]:
    groups: dict[tuple[str, str, str], list[Rate]] = {}
    for rate in rates:
        if rate.share:
            groups.setdefault((rate.workload, rate.runner, rate.metric), []).append(rate)
    return groups


def _power_rows(rates: Sequence[Rate], shares: Sequence[float]) -> Iterator[list[str]]:
    for key, own in _grouped(rates).items():
        for blocks in sorted({rate.blocks for rate in own}):
            by_share = {rate.share: rate for rate in own if rate.blocks == blocks}
            some = next(iter(by_share.values()))
            row = [*key, str(blocks), str(some.distinct), _p(some.half_width)]
            row += [_p(by_share[share].found) if share in by_share else "" for share in shares]
            row += [
                _p(by_share[share].mean_5 / by_share[share].comparisons) if share in by_share else ""
                for share in shares
                if share >= 0.05
            ]
            yield row


def _needed_rows(rates: Sequence[Rate], shares: Sequence[float]) -> Iterator[list[str]]:
    for key, own in _grouped(rates).items():
        most = max(rate.blocks for rate in own)
        needed = [blocks_for([rate for rate in own if rate.share == share], GOAL) for share in shares]
        yield [*key, *(str(blocks) if blocks else f"more than {most}" for blocks in needed)]


def _p(share: float) -> str:
    return f"{share * 100:.1f} %"


def _plain(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _pipes(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (heads, ["---"] * len(heads), *rows):
        yield f"| {' | '.join(row)} |"


if TYPE_CHECKING:
    from typing import Protocol

    class Table(Protocol):
        """A function that lays out rows under their heads."""

        def __call__(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
            """Give the lines of the table."""
