"""How often the judgement errs on one host: rates from a calibration run, by metric and number of blocks.

A calibration run holds, block by block, a thing (``base``), the same thing under another name (``twin``) and the same
with a known share of work more (``+5%``). Each stretch of so many consecutive blocks is a comparison as ``tare ab``
makes it; stretches keep the order of blocks, so that drift and autocorrelation stay in them. Overlapping stretches are
taken, to use the data well: :attr:`Rate.distinct` says how many do not overlap, and so how sure a rate is.

False alarms are also counted after *relabelling*: base and twin of a block are exchangeable, so swapping them by a coin
makes another A/A comparison of the same noise. That many more comparisons show rates that few stretches cannot.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from tare.results.errors import ResultError
from tare.results.judgement.levels import BASE, share_of
from tare.results.judgement.rule import judge
from tare.results.record import BASE as BARE
from tare.results.record import CONTROL_SUFFIX, CPU_TIME
from tare.results.statistics.series import good_series, paired_log_ratio
from tare.results.tables.frame import read_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tare.results.statistics.series import LogRatio, Series
    from tare.results.storage.load import Run

FORMAT = 1
CONFIDENCE = 0.95
COUNTS = (10, 20, 40, 60, 100, 150, 200, 300, 400, 600)
"""Numbers of blocks that rates are given for."""
RELABELLED = 400
"""Comparisons made by relabelling, for each series and number of blocks."""
OVERLAP = 4
"""A new stretch begins after this part of a stretch."""

JUDGED = ("command.seconds", "launch.total", CPU_TIME)
"""Metrics that have rates of their own."""

AGAIN = BASE + CONTROL_SUFFIX
"""The level under which the base's second measurement is stored."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Verdicts of many comparisons of one kind."""

    workload: str
    runner: str
    metric: str
    share: float
    """Injected: 0 for A/A."""
    blocks: int
    comparisons: int
    distinct: int
    """Of them, how many could be made without using a block twice."""
    relabelled: bool
    worse: int
    better: int
    same: int
    undecided: int
    half_width: float
    """Median half-width of the intervals, as a relative difference."""
    mean_5: int
    """Called worse by the rule ``mean:5%`` of pytest-benchmark."""
    mean_150: int
    """Called worse by a threshold of 150 %."""

    @property
    def found(self) -> float:
        """Share of the comparisons called worse: false alarms at share 0, else power."""
        return self.worse / self.comparisons

    @property
    def false_calls(self) -> float:
        """Share called worse or better."""
        return (self.worse + self.better) / self.comparisons


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a host class."""

    format: int
    host_class: str
    created: str
    run: str
    threshold: float
    blocks: int
    rates: list[Rate]
    load: list[float] = []
    """The host's load averages when it began and when it ended."""

    def rate(self, metric: str, share: float, blocks: int, runner: str = "") -> Rate | None:
        """The rate measured with the most blocks not above ``blocks``; the worst of the runners if none is named."""
        fitting = [
            r
            for r in self.rates
            if r.metric == metric
            and r.share == share
            and r.blocks <= blocks
            and (not runner or r.runner == runner)
            and (share > 0 or r.relabelled)
        ]
        if not fitting:
            return None
        most = max(r.blocks for r in fitting)
        chosen = [r for r in fitting if r.blocks == most]
        return min(chosen, key=lambda r: r.found) if share else max(chosen, key=lambda r: r.found)


class Trio(NamedTuple):
    """What is compared: two things, and the base measured again."""

    base: Series
    head: Series
    again: Series | None


def path_in(folder: Path) -> Path:
    """Where a host class' calibration is kept, in its folder."""
    return folder / "calibration.json"


def read_calibration(path: Path) -> Calibration | None:
    """The stored calibration, or nothing where there is none of this format."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ResultError(
            f"{path} is damaged ({error}): remove it, and measure again with `tare calibrate`."
        ) from error
    return found if found.format == FORMAT else None


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Store it, whole or not at all."""
    draft = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n")
        draft.replace(path)
    except OSError as error:
        raise ResultError(f"cannot write {path}: {error.strerror}.") from error


def rates(run: Run, threshold: float, *, seed: int, counts: Sequence[int] = COUNTS) -> list[Rate]:
    """All rates of a calibration run; series are told apart by :func:`identity`."""
    random = np.random.default_rng(seed)
    groups: dict[tuple[str, str, str], dict[str, Series]] = {}
    for key, series in good_series(read_frame(run)).items():
        if key.metric in JUDGED:
            workload, runner, level = identity(key.workload, key.runner)
            groups.setdefault((workload, runner, key.metric), {})[level] = series
    found: list[Rate] = []
    for (workload, runner, metric), levels in groups.items():
        # As in `tare ab`: the base is measured again, on bare metal or as a variant, and gives the floor.
        again = levels.get(AGAIN) or groups.get((workload, BARE, metric), {}).get(AGAIN)
        for level, head in levels.items():
            if BASE not in levels or level in {BASE, AGAIN}:
                continue
            trio = Trio(levels[BASE], head, again)
            share = share_of(level)
            for blocks in counts:
                for relabelled in (False, True) if not share else (False,):
                    made = _comparisons(trio, blocks, threshold, random if relabelled else None)
                    if made:
                        found.append(
                            _rate(made, workload, runner, metric, share, blocks, len(trio.base.block))
                        )
    return found


def identity(workload: str, runner: str) -> tuple[str, str, str]:
    """Workload, runner and level of a series: levels are workloads (``cpu+5%``) or variants (``bare@+5%``)."""
    again = CONTROL_SUFFIX if runner.endswith(CONTROL_SUFFIX) else ""
    runner = runner.removesuffix(CONTROL_SUFFIX)
    plain, sign, level = runner.partition("@")
    if sign:
        return "cold start", plain, level + again
    return "cpu", plain, workload + again


class _Made(NamedTuple):
    verdict: str
    half_width: float
    mean_ratio: float
    relabelled: bool


def _comparisons(
    trio: Trio, blocks: int, threshold: float, random: np.random.Generator | None
) -> list[_Made]:
    made = []
    for part in _stretches(trio, blocks, random):
        cost = _ratio(part.head, part.base)
        floor = _ratio(part.again, part.base) if part.again is not None else None
        if cost is None:
            continue
        low, high = cost.interval.low, cost.interval.high
        width = math.inf if low is None or high is None else (high - low) / 2
        means = float(part.head.value.mean() / part.base.value.mean())
        made.append(_Made(judge(cost, floor, threshold).verdict, width, means, random is not None))
    return made


def _ratio(subject: Series, base: Series) -> LogRatio | None:
    return paired_log_ratio(subject, base, CONFIDENCE)


def _stretches(trio: Trio, blocks: int, random: np.random.Generator | None) -> Iterator[Trio]:
    common = np.intersect1d(trio.base.block, trio.head.block)
    if trio.again is not None:
        common = np.intersect1d(common, trio.again.block)
    last = len(common) - blocks
    if last < 0:
        return
    step = max(1, blocks // OVERLAP)
    starts = range(0, last + 1, step) if random is None else random.integers(0, last + 1, RELABELLED)
    base, head, again = (None if s is None else _only(s, common) for s in trio)
    if base is None or head is None:
        return
    for start in starts:
        rows = slice(int(start), int(start) + blocks)
        one, other = _cut(base, rows), _cut(head, rows)
        if random is not None:
            one, other = _swapped(one, other, random.random(blocks) < 0.5)
        yield Trio(one, other, None if again is None else _cut(again, rows))


def _only(series: Series, blocks: NDArray[np.int32]) -> Series:
    rows = np.flatnonzero(np.isin(series.block, blocks))
    return replace(
        series, value=series.value[rows], block=series.block[rows], invocation=series.invocation[rows]
    )


def _cut(series: Series, rows: slice) -> Series:
    return replace(
        series, value=series.value[rows], block=series.block[rows], invocation=series.invocation[rows]
    )


def _swapped(one: Series, other: Series, swap: NDArray[np.bool_]) -> tuple[Series, Series]:
    a, b = one.value, other.value
    return replace(one, value=np.where(swap, b, a)), replace(other, value=np.where(swap, a, b))


def _rate(
    made: list[_Made], workload: str, runner: str, metric: str, share: float, blocks: int, all_blocks: int
) -> Rate:
    verdicts = [one.verdict for one in made]
    return Rate(
        workload=workload,
        runner=runner,
        metric=metric,
        share=share,
        blocks=blocks,
        comparisons=len(made),
        distinct=all_blocks // blocks,
        relabelled=made[0].relabelled,
        worse=verdicts.count("worse"),
        better=verdicts.count("better"),
        same=verdicts.count("same"),
        undecided=verdicts.count("undecided"),
        half_width=math.expm1(float(np.median([one.half_width for one in made]))),
        mean_5=sum(one.mean_ratio > 1.05 for one in made),
        mean_150=sum(one.mean_ratio > 1.5 for one in made),
    )


def blocks_for(found: Sequence[Rate], power: float) -> int | None:
    """The fewest blocks from which on the share found stays at ``power`` or above."""
    enough = None
    for rate in sorted(found, key=lambda r: r.blocks):
        if rate.found < power:
            enough = None
        elif enough is None:
            enough = rate.blocks
    return enough


class Quote(NamedTuple):
    """What a calibration says of comparisons of one metric with about so many blocks."""

    metric: str
    blocks: int
    """Of the rates: the largest calibrated number not above what was asked for."""
    false_alarms: float
    found: dict[float, float]
    """Injected share → share of the comparisons that found it; the worst of the runners."""


def quotes(calibration: Calibration, blocks: int) -> list[Quote]:
    """What is known of each calibrated metric for comparisons with so many blocks."""
    shares = sorted({rate.share for rate in calibration.rates if rate.share})
    told = []
    for metric in JUDGED:
        false = calibration.rate(metric, 0.0, blocks)
        found = {s: rate.found for s in shares if (rate := calibration.rate(metric, s, blocks)) is not None}
        if false is not None and found:
            told.append(Quote(metric, false.blocks, false.found, found))
    return told
