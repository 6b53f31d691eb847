"""What an answer costs comes from what the blocks of its workload and stream cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from support.results_making import manifest, metric, trial
from support.synthetic import make_input
from tare.reports.content.bills import bill
from tare.reports.summaries.prices import MOST_SECONDS, Price, Prices, Unit
from tare.reports.summaries.waiting import explaining, waited_shares
from tare.reports.text.answers import bounds, budget, headline, span_of_time, told
from tare.reports.text.words import words
from tare.results.judgement.answers import Answers
from tare.results.plan import CaseRecord, PlanRecord, RequestRecord
from tare.results.record import DUET_CPU_TIME, WAIT_TIME

if TYPE_CHECKING:
    from tare.results.record import Trial

ENGLISH = words("en")
OPEN = next(c for c in make_input(blocks=6).comparisons if c.primary and c.verdict == "undecided")


def row(workload: str, needed: int | None, **changes: Any) -> Answers:
    fields = {"workload": workload, "runner": "box", "blocks": 10, "needed_blocks": needed}
    return Answers(msgspec.structs.replace(OPEN, **fields | changes), None, None)


def plan_of(*workloads: str, blocks: int | None = None) -> dict[str, Any]:
    record = PlanRecord(
        mode="default",
        seed=7,
        blocks=blocks,
        precision=0.01,
        job_seconds=0.05,
        warmups=False,
        budget_seconds=60,
        estimate_seconds=60,
        cheap=("bare", "box"),
        cases=tuple(CaseRecord(workload=name, runner="box") for name in workloads),
        request=RequestRecord(settings={}, mode="default"),
    )
    return cast("dict[str, Any]", msgspec.to_builtins(record))


def blocks_of(
    workload: str, seconds: float, *, stream: str = "", runner: str = "box", duet: bool = False
) -> list[Trial]:
    return [
        trial(
            block,
            1.0,
            workload=workload,
            runner=name,
            block=block,
            stream=stream,
            duet=duet,
            spent_seconds=seconds / 2,
        )
        for block in range(10)
        for name in ("bare", runner)
    ]


def test_a_price_is_the_missing_blocks_of_that_workload_and_stream() -> None:
    trials = [
        *blocks_of("cpu", 2.0),
        *blocks_of("fork", 8.0),
        *blocks_of("cpu", 30.0, stream="vm", runner="vm"),
    ]
    prices = Prices(manifest(), trials)
    assert prices.cheapest(row("cpu", 50)) == Price(Unit("cpu", "", duet=False), 40, 80.0)
    assert prices.cheapest(row("cpu", 50, runner="vm")) == Price(Unit("cpu", "vm", duet=False), 40, 1200.0)
    assert prices.cheapest(row("cpu", None)) is None
    assert prices.cheapest(row("unknown", 50)) == Price(Unit("unknown", "", duet=False), 40, None)


def test_duets_have_prices_and_blocks_of_their_own() -> None:
    trials = [
        *blocks_of("cpu", 9.0),
        *blocks_of("cpu", 1.0, duet=True),
        *blocks_of("cpu", 30.0, stream="vm", runner="vm"),
    ]
    prices = Prices(manifest(), trials)
    both = row("cpu", 20)
    cpu = msgspec.structs.replace(both.time, metric=DUET_CPU_TIME, needed_blocks=60)
    price = prices.cheapest(replace(both, cpu=cpu))
    assert price == Price(Unit("cpu", "", duet=True), 50, 50.0), "10 blocks of 9 s cost more than 50 of 1 s"
    found = prices.bill([replace(both, cpu=cpu)])
    # An extension for it measures both units of the workload as long, and nothing of the guest.
    assert (found.seconds, found.keyword) == (100.0, "cpu")
    assert prices.bill([row("cpu", 20, runner="vm")]).keyword == "cpu@vm"


def test_a_bill_counts_shared_blocks_once_and_says_what_it_leaves_out() -> None:
    prices = Prices(manifest(), [*blocks_of("cpu", 2.0), *blocks_of("fork", 8.0)])
    rows = [row("cpu", 50), row("cpu", 30), row("fork", 20), row("fork", None), row("fork", 1000)]
    found = prices.bill(rows)
    assert (found.rows, found.blocks, found.seconds, found.dear, found.unknown) == (3, 50, 160.0, 1, 1)
    assert found.keyword == "cpu or fork"
    assert found.seconds < MOST_SECONDS
    assert not prices.extendable, "a run without a plan takes no budget"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.988, 1.038, "at most 3.8 % more, at most 1.2 % less"),
        (1.012, 1.108, "at least 1.2 % more, at most 11 % more"),
        (0.63, 0.965, "at least 3.5 % less, at most 37 % less"),
        (0.9, 3.2, "at most 3.2× as much, at most 10 % less"),
        (0.4, 3.2, "between 0.4× and 3.2× as much"),
        (0.0013, 57290.3, "anything between 0.0013× and 57,000×: so wide an interval says nothing"),
        (1.2, 570.3, "at least 20 % more, at most 570× as much"),
        (None, None, "too few values for an interval (n = 6)"),
    ],
)
def test_an_undecided_answer_says_its_bounds(low: float | None, high: float | None, expected: str) -> None:
    cost = msgspec.structs.replace(OPEN.cost, low=low, high=high, n=6)
    assert bounds(msgspec.structs.replace(OPEN, cost=cost), ENGLISH) == expected


def test_a_decided_answer_says_its_interval() -> None:
    cost = msgspec.structs.replace(OPEN.cost, value=1.05, low=1.032, high=1.07)

    def tell(**changes: Any) -> str:
        return told(msgspec.structs.replace(OPEN, cost=cost, **changes), ENGLISH)

    assert tell(verdict="worse") == "5 % more (1.032–1.070)"
    assert tell(verdict="same") == "no difference that matters (1.032–1.070)"
    assert tell(verdict="undecided", refused=True) == "not compared, because the two sides are unlike"


@pytest.mark.parametrize(
    ("seconds", "spoken", "option"),
    [(0.2, "10 s", "1m"), (83.0, "90 s", "2m"), (340.0, "6 min", "6m"), (5400.0, "2 h", "90m")],
)
def test_spans_are_rounded_up(seconds: float, spoken: str, option: str) -> None:
    assert (span_of_time(seconds, ENGLISH), budget(seconds)) == (spoken, option)


def test_waiting_is_told_where_it_may_hide_an_answer_of_time() -> None:
    line = {"started": 0, "finished": 1_000_000_000}
    trials = [
        trial(0, metric(0.12, name=WAIT_TIME), workload="cpu", runner="box", timeline=line),
        trial(1, metric(0.01, name=WAIT_TIME), workload="cpu", timeline=line),
        trial(2, 1.0, workload="cpu", runner="mute", timeline=line),
    ]
    shares = waited_shares(trials)
    assert {runner: share for (_case, runner), share in shares.items()} == {"box": 0.12, "bare": 0.01}
    plain: dict[str, Any] = {"parameters": {}, "threshold": 0.02}
    assert explaining(row("cpu", None, **plain), shares) == 0.12
    assert explaining(row("cpu", None, verdict="same", **plain), shares) is None
    assert explaining(row("cpu", None, parameters={}, threshold=0.2), shares) is None
    assert explaining(row("cpu", None, runner="mute", **plain), shares) is None


def test_the_bill_names_the_command_that_goes_on_once() -> None:
    trials = [*blocks_of("cpu", 2.0), *blocks_of("fork", 8.0)]
    prices = Prices(manifest(plan=plan_of("cpu", "fork")), trials)
    text = bill([row("cpu", 50), row("fork", 20), row("fork", None)], prices, "RUN", ENGLISH)
    assert text.startswith(
        "At the present spread, 2 of the 3 undecided rows would be decided by about 50 more blocks, 3 min: "
        "“tare run --resume RUN --budget 3m -k 'cpu or fork'”."
    )
    assert "For 1 no number of blocks is known" in text
    assert bill([row("cpu", 50, verdict="same")], prices, "RUN", ENGLISH) == ""
    assert bill([row("cpu", None)], prices, "RUN", ENGLISH).startswith("How much more measuring")
    counted = Prices(manifest(plan=plan_of("cpu", blocks=20)), trials)
    assert bill([row("cpu", 50)], counted, "RUN", ENGLISH) == "", "a counted run takes no budget"


def test_the_headline_counts_what_is_decided_and_by_what() -> None:
    decided = {"verdict": "same"}
    cpu = msgspec.structs.replace(OPEN, **decided)
    rows = [
        row("a", None, **decided),
        row("b", 50),
        replace(row("c", 50), cpu=cpu),
        replace(row("d", None, **decided), cpu=cpu),
        replace(row("e", 50), cpu=OPEN),
    ]
    assert headline(rows, ENGLISH) == "3 of 5 workloads decided: 1 by time and CPU, 1 by time, 1 by CPU."
    assert headline(rows[1:2], ENGLISH) == "The one workload is not decided."
