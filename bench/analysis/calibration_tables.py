"""Write a calibration's rates as tables for people, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tare.reports.text.columns import padded, width
from tare.results.judgement.calibration import blocks_for
from tare.results.said import Name, say
from tare.results.statistics.phrases import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tare.results.judgement.calibration import Calibration, Rate

GOAL = 0.95
"""Share of slowdowns to find, for the table of the blocks that this takes."""


def as_json(found: Calibration) -> str:
    """Return the whole calibration as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def as_text(found: Calibration, tell: Callable[[str], str] = str) -> str:
    """Return the tables with columns separated by blanks; ``tell`` repeats what is said in another language."""
    return "\n".join(_lines(found, _plain, tell))


def as_markdown(found: Calibration, tell: Callable[[str], str] = str) -> str:
    """Return the tables in Markdown."""
    return "\n".join(_lines(found, _pipes, tell))


_CASE = (
    say("terminal.kind", "kind"),
    say("terminal.runner", "runner"),
    say("terminal.metric", "metric"),
)
_BLOCKS = say("terminal.blocks", "blocks")
_DISTINCT = say("terminal.distinct", "distinct")


def _lines(found: Calibration, table: Table, tell: Callable[[str], str]) -> Iterator[str]:
    shares = sorted({rate.share for rate in found.rates if rate.share})
    false = (
        *_CASE, _BLOCKS, say("terminal.comparisons", "comparisons"), _DISTINCT, say("terminal.false_calls", "false calls"),
        "`mean:5%`", "150 %",
    )  # fmt: skip
    power = (
        *_CASE, _BLOCKS, _DISTINCT, say("terminal.half_width", "half width"), *(f"{s * 100:g} %" for s in shares),
        *(f"{s * 100:g} %, `mean:5%`" for s in shares if s >= 0.05),
    )  # fmt: skip
    yield tell(_about(found))
    for title, heads, rows in (
        (
            say("terminal.false_alarms", "False alarms: A/A, called worse or better"),
            false,
            [_false_row(rate) for rate in found.rates if not rate.share],
        ),
        (say("terminal.slowdowns", "Slowdowns found"), power, list(_power_rows(found.rates, shares))),
        (
            say("terminal.found_from", "Blocks from which on {share} % are found", share=f"{GOAL * 100:g}"),
            (*_CASE, *(f"{s * 100:g} %" for s in shares)),
            list(_needed_rows(found.rates, shares)),
        ),
    ):
        yield from ("", tell(title), "")
        yield from table([tell(head) for head in heads], [[tell(cell) for cell in row] for row in rows])


def _about(found: Calibration) -> str:
    load = [f"{one:.1f}" for one in found.load]
    told = say(
        "terminal.calibration", "Run {run}: {blocks}; threshold {threshold} %",
        run=found.run, blocks=count(found.blocks, "block"), threshold=f"{found.threshold * 100:g}",
    )  # fmt: skip
    if not load:
        return say("terminal.sentence", "{text}.", text=told)
    span = load[0] if len(load) == 1 else say("span", "{low} to {high}", low=load[0], high=load[-1])
    return say("terminal.load_average", "{text}; load average {load}.", text=told, load=span)


def _false_row(rate: Rate) -> list[str]:
    made = str(rate.comparisons)
    if rate.relabelled:
        made = say("terminal.relabelled", "{n}, relabelled", n=made)
    return [
        *map(Name, (rate.workload, rate.runner, rate.metric)), str(rate.blocks), made, str(rate.distinct), _p(rate.false_calls),
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
            row = [*map(Name, key), str(blocks), str(some.distinct), _p(some.half_width)]
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
        yield [
            *map(Name, key),
            *(
                str(blocks) if blocks else say("terminal.more_than", "more than {n}", n=most)
                for blocks in needed
            ),
        ]


def _p(share: float) -> str:
    return f"{share * 100:.1f} %"


def _plain(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(width, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        yield "  ".join(padded(cell, wide) for cell, wide in zip(row, widths, strict=True)).rstrip()


def _pipes(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (heads, ["---"] * len(heads), *rows):
        yield f"| {' | '.join(row)} |"


if TYPE_CHECKING:
    from typing import Protocol

    class Table(Protocol):
        """A function that lays out rows under their heads."""

        def __call__(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
            """Give the lines of the table."""
