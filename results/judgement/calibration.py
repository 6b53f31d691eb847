"""Compute error rates of the verdicts on one host from a calibration run, by metric and number of blocks.

A calibration run measures in each block the base, the same work under another name (``twin``), and the same work with a
known share of additional work (``+5%``). Each stretch of consecutive blocks is judged like a comparison of ``tare ab``;
stretches keep the order of blocks, so that they contain drift and autocorrelation. Stretches overlap, to use the data
well: :attr:`Rate.distinct` is the number that do not, and tells how precise a rate is.

False alarms are also counted after *relabelling*: base and twin of a block are exchangeable, so swapping them at random
makes another A/A comparison of the same noise. The many comparisons made so show rates that few stretches cannot.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from tare.results.errors import NotWritten, ResultError
from tare.results.judgement.comparison import CONFIDENCE
from tare.results.judgement.levels import BASE_LEVEL, injected_share
from tare.results.judgement.rule import judge
from tare.results.plain_files import read_plain
from tare.results.record import BASE, COMMAND_TIME, CONTROL_SUFFIX, CPU_TIME, HOST_CPU_TIME, LAUNCH_TIME
from tare.results.said import say
from tare.results.statistics.exponents import expm1
from tare.results.statistics.ratios import paired_log_ratio
from tare.results.statistics.series import good_series
from tare.results.storage.atomic import write_whole
from tare.results.tables.frame import read_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tare.results.statistics.ratios import LogRatio
    from tare.results.statistics.series import Series
    from tare.results.storage.load import Run

FORMAT = 1
"""Version of the stored file."""
COUNTS = (10, 20, 40, 60, 100, 150, 200, 300, 400, 600)
"""Numbers of blocks for which rates are computed."""
RELABELLED = 400
"""Comparisons made by relabelling, for each series and number of blocks."""
OVERLAP = 4
"""Stretches that hold each block: a new one begins after a quarter of the one before."""

JUDGED = (COMMAND_TIME, LAUNCH_TIME, HOST_CPU_TIME, CPU_TIME)
"""Metrics for which rates are computed."""

AGAIN = BASE_LEVEL + CONTROL_SUFFIX
"""Level of the second measurement of the base."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of verdicts in many comparisons of one kind."""

    workload: str
    runner: str
    metric: str
    share: float
    """Share of additional work: 0.05 is 5 %, 0 an A/A comparison."""
    blocks: int
    """Blocks of each comparison."""
    comparisons: int
    """Number of comparisons."""
    distinct: int
    """Number of comparisons that could be made without using a block twice."""
    relabelled: bool
    """The comparisons were made by relabelling base and twin."""
    worse: int
    """Number of comparisons with this verdict; likewise the next three."""
    better: int
    same: int
    undecided: int
    half_width: float
    """Median half-width of the intervals, as a relative difference: 0.01 is ±1 %."""
    mean_5: int
    """Number of comparisons called worse by pytest-benchmark's rule ``mean:5%``."""
    mean_150: int
    """Number of comparisons called worse by a threshold of 150 %, as github-action-benchmark has it."""

    @property
    def found(self) -> float:
        """Share of the comparisons called worse: the rate of false alarms if no work was added, else the power."""
        return self.worse / self.comparisons

    @property
    def false_calls(self) -> float:
        """Share of the comparisons called worse or better."""
        return (self.worse + self.better) / self.comparisons


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Error rates that were measured on a host class."""

    format: int
    """Version of the file; see :data:`FORMAT`."""
    host_class: str
    created: str
    """Time of the calibration run, ISO 8601 UTC."""
    run: str
    """Id of the calibration run."""
    threshold: float
    """Relative difference that matters, with which verdicts were formed."""
    blocks: int
    """Number of blocks of the calibration run."""
    rates: list[Rate]
    load: list[float] = []
    """Load averages of the host over one minute, when the run began and when it ended; empty if not known."""

    def rate(self, metric: str, share: float, blocks: int, runner: str = "") -> Rate | None:
        """Find the rate that was measured with the most blocks not above ``blocks``.

        Args:
            metric: Name of the metric.
            share: Share of additional work; 0 for false alarms, of which the relabelled ones are taken.
            blocks: Number of blocks of the comparison that the rate is wanted for.
            runner: Label of the runner; if empty, the runner with the worst rate.

        Returns:
            The rate; ``None`` if nothing fits.
        """
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


class _Sides(NamedTuple):
    """The series of one comparison."""

    base: Series
    head: Series
    again: Series | None
    """Second measurement of the base; ``None`` if there is none."""


def path_in(folder: Path) -> Path:
    """Return the path of the calibration in the folder of a host class."""
    return folder / "calibration.json"


def read_calibration(path: Path) -> Calibration | None:
    """Read a stored calibration; ``None`` if there is none, or none of this format.

    Raises:
        ResultError: the file is damaged or cannot be read.
    """
    try:
        found = msgspec.json.decode(read_plain(path), type=Calibration)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ResultError(say(
            "calibration.damaged", "{path} is damaged ({error}): remove it, and measure again with `tare calibrate`.",
            path=path, error=error,
        )) from error  # fmt: skip
    return found if found.format == FORMAT else None


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Store a calibration atomically.

    Raises:
        NotWritten: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n")
    except OSError as error:
        raise NotWritten(
            say("file.cannot_write", "cannot write {path}: {strerror}.", path=path, strerror=error.strerror)
        ) from error


def rates(run: Run, threshold: float, *, seed: int, counts: Sequence[int] = COUNTS) -> list[Rate]:
    """Compute all rates of a calibration run.

    Args:
        run: The calibration run.
        threshold: Relative difference that matters.
        seed: Seed of the relabelling.
        counts: Numbers of blocks; those larger than the run are left out.
    """
    random = np.random.default_rng(seed)
    groups: dict[tuple[str, str, str], dict[str, Series]] = {}
    for key, series in good_series(read_frame(run)).items():
        if key.metric in JUDGED:
            workload, runner, level = split_level(key.workload, key.runner)
            groups.setdefault((workload, runner, key.metric), {})[level] = series
    found: list[Rate] = []
    for (workload, runner, metric), levels in groups.items():
        # As in `tare ab`: the base is measured again, on bare metal or as a variant, and gives the floor.
        again = levels.get(AGAIN) or groups.get((workload, BASE, metric), {}).get(AGAIN)
        for level, head in levels.items():
            if BASE_LEVEL not in levels or level in {BASE_LEVEL, AGAIN}:
                continue
            sides = _Sides(levels[BASE_LEVEL], head, again)
            share = injected_share(level)
            for blocks in counts:
                for relabelled in (False, True) if not share else (False,):
                    made = _comparisons(sides, blocks, threshold, random if relabelled else None)
                    if made:
                        found.append(
                            _rate(made, workload, runner, metric, share, blocks, len(sides.base.block))
                        )
    return found


def split_level(workload: str, runner: str) -> tuple[str, str, str]:
    """Return workload, runner and level of a series; the level is in one of the names (``bare@+5%``)."""
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
    sides: _Sides, blocks: int, threshold: float, random: np.random.Generator | None
) -> list[_Made]:
    made = []
    for part in _stretches(sides, blocks, random):
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


def _stretches(sides: _Sides, blocks: int, random: np.random.Generator | None) -> Iterator[_Sides]:
    common = np.intersect1d(sides.base.block, sides.head.block)
    if sides.again is not None:
        common = np.intersect1d(common, sides.again.block)
    last = len(common) - blocks
    if last < 0:
        return
    step = max(1, blocks // OVERLAP)
    starts = range(0, last + 1, step) if random is None else random.integers(0, last + 1, RELABELLED)
    base, head, again = (None if s is None else _only(s, common) for s in sides)
    if base is None or head is None:
        return
    for start in starts:
        rows = slice(int(start), int(start) + blocks)
        one, other = _cut(base, rows), _cut(head, rows)
        if random is not None:
            one, other = _swapped(one, other, random.random(blocks) < 0.5)
        yield _Sides(one, other, None if again is None else _cut(again, rows))


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
        half_width=expm1(float(np.median([one.half_width for one in made]))),
        mean_5=sum(one.mean_ratio > 1.05 for one in made),
        mean_150=sum(one.mean_ratio > 1.5 for one in made),
    )


def blocks_for(found: Sequence[Rate], power: float) -> int | None:
    """Return the smallest number of blocks from which on the power stays at ``power`` or above; ``None`` if none is."""
    enough = None
    for rate in sorted(found, key=lambda r: r.blocks):
        if rate.found < power:
            enough = None
        elif enough is None:
            enough = rate.blocks
    return enough


class ExpectedRates(NamedTuple):
    """Error rates to expect of comparisons of one metric."""

    metric: str
    blocks: int
    """Number of blocks that the rates were measured with."""
    false_alarms: float
    """Share of comparisons called worse though nothing differs; the worst of the runners."""
    found: dict[float, float]
    """Share of additional work → share of the comparisons that found it; the worst of the runners."""


def expected_rates(calibration: Calibration, blocks: int) -> list[ExpectedRates]:
    """Return the rates to expect of comparisons with so many blocks, one for each calibrated metric.

    They were measured with the largest calibrated number of blocks that is not above ``blocks``.
    """
    shares = sorted({rate.share for rate in calibration.rates if rate.share})
    rates_by_metric = []
    for metric in JUDGED:
        false = calibration.rate(metric, 0.0, blocks)
        found = {s: rate.found for s in shares if (rate := calibration.rate(metric, s, blocks)) is not None}
        if false is not None and found:
            rates_by_metric.append(ExpectedRates(metric, false.blocks, false.found, found))
    return rates_by_metric
