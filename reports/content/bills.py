"""Tell what deciding the open rows of a run would take, with the command that goes on with it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tare.reports.text import numbers
from tare.reports.text.answers import budget, span_of_time
from tare.results.said import listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tare.reports.summaries.prices import Prices
    from tare.reports.text.words import Words
    from tare.results.judgement.answers import Answers


def bill(answers: Iterable[Answers], prices: Prices, run: str, words: Words) -> str:
    """Sum up the price of all rows that nothing has decided; empty if there are none, or the run cannot be extended."""
    still_open = [row for row in answers if row.by == "none" and not row.time.refused]
    if not still_open or not prices.extendable:
        return ""
    found = prices.bill(still_open)
    one = len(still_open) == 1
    if not found.rows and not found.dear:
        return words("answer.bill_none_one" if one else "answer.bill_none", total=len(still_open))
    told = []
    if found.rows:
        told.append(
            words(
                "answer.bill_one" if one else "answer.bill",
                rows=found.rows,
                total=len(still_open),
                blocks=numbers.about(found.blocks),
                time=span_of_time(found.seconds, words),
                run=run,
                budget=budget(found.seconds),
                keyword=shlex.quote(found.keyword),
            )
        )
    told += [words(f"answer.bill_{name}", n=n) for name in ("dear", "unknown") if (n := getattr(found, name))]
    return listed(told, " ")
