"""Simulate the error rates of the method.

``python -m tare.bench.tools.simulations.error_rates`` prints the tables of ``docs/method.md`` (some five minutes).

Every number comes from the same functions that judge real runs; only the values are made up: log-normal
noise, drift of the machine that hits all runners of a block alike, outliers, and invocations that are
slower or faster as a whole.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tare.bench.tools.simulations.markdown import percent, sections, table
from tare.results.judgement.rule import judge
from tare.results.judgement.thresholds import DEFAULT_THRESHOLD
from tare.results.statistics import estimates as statistics
from tare.results.statistics.distributions import t_quantile
from tare.results.statistics.ratios import LogRatio, paired_log_ratio, unpaired_log_ratio
from tare.results.statistics.series import Series, SeriesKey
from tare.results.statistics.width import CHECKPOINTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.random import Generator
    from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class World:
    """A simulated machine: noise, drift and outliers on values whose truth is 1."""

    name: str
    invocations: int = 0
    """Number of times that each place is opened; 0: once a block, as for cold starts."""
    blocks: int = 10
    """Blocks in all invocations together."""
    noise: float = 0.03
    """Standard deviation of the logarithms within an invocation."""
    between: float = 0.0
    """Standard deviation of the logarithms between invocations."""
    drift: float = 0.0
    """Total relative drift over the run."""
    outliers: float = 0.0
    """Share of values that are 1.3 to 3 times too high."""

    def series(
        self, random: Generator, runner: str, drift: NDArray[np.float64], effect: float = 0.0
    ) -> Series:
        """Draw a series; ``effect`` is the relative slowdown."""
        block = np.arange(self.blocks, dtype=np.int32)
        opened = block * self.invocations // self.blocks if self.invocations else block
        log = random.normal(0, self.noise, self.blocks) + drift
        log += random.normal(0, self.between, int(opened[-1]) + 1)[opened]
        hit = random.random(self.blocks) < self.outliers
        log[hit] += np.log(random.uniform(1.3, 3.0, int(hit.sum())))
        return series_of(np.exp(log) * (1 + effect), runner, opened.astype(np.int32))

    def drifting(self, random: Generator) -> NDArray[np.float64]:
        """Draw a drift: a ramp with a wave on it."""
        t = np.linspace(0, 1, self.blocks)
        return np.asarray(self.drift * (t + 0.5 * np.sin(2 * np.pi * (t + random.random()))))


def series_of(value: NDArray[np.float64], runner: str, opened: NDArray[np.int32] | None = None) -> Series:
    """Make a series of times, one for each block; each block is an opening of its own unless ``opened`` numbers them."""
    block = np.arange(len(value), dtype=np.int32)
    return Series(
        key=SeriesKey("w", "{}", "wall", runner, control=runner == "control"),
        family="f",
        unit="s",
        direction="lower",
        clock="host-monotonic",
        primary=True,
        accelerator="none",
        value=value,
        block=block,
        invocation=block if opened is None else opened,
        context=("{}",),
    )


@dataclass(frozen=True, slots=True)
class Draw:
    """One simulated run of three runners."""

    base: Series
    control: Series
    subject: Series

    @property
    def cost(self) -> LogRatio:
        """Compare the subject with the base."""
        return _present(paired_log_ratio(self.subject, self.base, CONFIDENCE))

    @property
    def floor(self) -> LogRatio:
        """Compare the control with the base: the noise floor."""
        return _present(paired_log_ratio(self.control, self.base, CONFIDENCE))


def _present(ratio: LogRatio | None) -> LogRatio:
    assert ratio is not None, "simulated values are positive and share their blocks"  # noqa: S101
    return ratio


def draws(world: World, effect: float, times: int, seed: int) -> Iterable[Draw]:
    """Draw runs of a world, each with a base, its control and a subject that is ``effect`` slower."""
    random = np.random.default_rng(seed)
    for _ in range(times):
        drift = world.drifting(random)
        yield Draw(
            world.series(random, "bare", drift),
            world.series(random, "control", drift),
            world.series(random, "subject", drift, effect),
        )


def verdict_rates(world: World, effect: float, times: int, seed: int) -> dict[str, float]:
    """Return the share of each verdict within runs of a world."""
    found = [
        judge(draw.cost, draw.floor, DEFAULT_THRESHOLD).verdict for draw in draws(world, effect, times, seed)
    ]
    return {verdict: found.count(verdict) / times for verdict in ("worse", "better", "same", "undecided")}


def between_runs_rates(world: World, effect: float, times: int, seed: int) -> dict[str, float]:
    """Return the share of each verdict between two runs of a world, each with a drift of its own."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(times):
        base = world.series(random, "bare", world.drifting(random))
        head = world.series(random, "bare", world.drifting(random), effect)
        found.append(judge(unpaired_log_ratio(head, base, CONFIDENCE), None, DEFAULT_THRESHOLD).verdict)
    return {verdict: found.count(verdict) / times for verdict in ("worse", "better", "same", "undecided")}


def rival_rates(world: World, effect: float, times: int, seed: int) -> dict[str, float]:
    """Return how often rules of other trackers call the subject worse on the same values."""
    rules: dict[str, Callable[[Draw], bool]] = {
        "t-test p<0.05": _welch_worse,
        "mean:5%": lambda d: d.subject.value.mean() > 1.05 * d.base.value.mean(),
        "150 %": lambda d: d.subject.value.mean() > 1.5 * d.base.value.mean(),
    }
    counts = dict.fromkeys(rules, 0)
    for draw in draws(world, effect, times, seed):
        for name, rule in rules.items():
            counts[name] += rule(draw)
    return {name: count / times for name, count in counts.items()}


def _welch_worse(draw: Draw) -> bool:
    a, b = draw.base.value, draw.subject.value
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return bool(b.mean() - a.mean() > t_quantile(freedom, 0.975) * math.sqrt(va + vb))


def _percentile(x: NDArray[np.float64], seed: int) -> statistics.Interval:
    return statistics.clustered_quantile(x, np.arange(len(x)), 0.5, CONFIDENCE, seed=seed, resamples=400)


def _bca_mean(x: NDArray[np.float64], seed: int) -> statistics.Interval:
    return statistics.bca(x, lambda v: np.asarray(v.mean(axis=-1)), CONFIDENCE, seed=seed, resamples=400)


METHODS: dict[str, Callable[[NDArray[np.float64], int], statistics.Interval]] = {
    "Hodges-Lehmann (ours)": lambda x, _: statistics.one_sample(x, CONFIDENCE),
    "median, order statistics": lambda x, _: statistics.quantile(x, 0.5, CONFIDENCE),
    "median, percentile bootstrap": _percentile,
    "mean, BCa bootstrap": _bca_mean,
}


def interval_quality(world: World, method: str, times: int, seed: int) -> tuple[float, float]:
    """Return coverage of the truth by a method's intervals of block log-ratios, and their median width.

    A missing interval counts as covering: it claims nothing; its width is infinite.
    """
    covered = 0
    widths: list[float] = []
    for i, draw in enumerate(draws(world, 0.0, times, seed)):
        ratio = np.log(draw.subject.value) - np.log(draw.base.value)
        found = METHODS[method](ratio, i)
        if found.low is None or found.high is None:
            covered += 1
            widths.append(math.inf)
        else:
            covered += found.low <= 0 <= found.high
            widths.append(found.high - found.low)
    return covered / times, float(np.median(widths))


def unit_quality(world: World, unit: str, times: int, seed: int) -> tuple[float, float]:
    """Return coverage and median width with blocks, invocations, or a cluster bootstrap as the unit."""
    covered = 0
    widths: list[float] = []
    for i, draw in enumerate(draws(world, 0.0, times, seed)):
        ratio, opened = np.log(draw.subject.value) - np.log(draw.base.value), draw.base.invocation
        if unit == "block":
            found = statistics.one_sample(ratio, CONFIDENCE)
        elif unit == "cluster bootstrap":
            found = statistics.clustered_quantile(ratio, opened, 0.5, CONFIDENCE, seed=i, resamples=400)
        else:
            found = statistics.one_sample(statistics.group_centres(ratio, opened), CONFIDENCE)
        low, high = (math.nan if v is None else v for v in (found.low, found.high))
        covered += low <= 0 <= high
        widths.append(high - low)
    return covered / times, float(np.median(widths))


WORLDS = (
    World("quiet: 1 % noise", noise=0.01),
    World("3 % noise"),
    World("3 % noise, 10 % drift", drift=0.10),
    World("3 % noise, 5 % outliers", outliers=0.05),
    World("10 % noise", noise=0.10),
)

NESTED = (
    World("1 invocation × 10", invocations=1, blocks=10, noise=0.01, between=0.03),
    World("2 × 5", invocations=2, blocks=10, noise=0.01, between=0.03),
    World("3 × 5", invocations=3, blocks=15, noise=0.01, between=0.03),
    World("5 × 3", invocations=5, blocks=15, noise=0.01, between=0.03),
    World("8 × 8", invocations=8, blocks=64, noise=0.01, between=0.03),
)


def _name(world: World) -> str:
    return world.name + (" (3 % between)" if world.between else "")


def false_alarms(times: int, seed: int) -> str:
    """Tabulate false alarms within runs where nothing differs."""
    rows = []
    for world in (*(replace(w, blocks=n) for w in WORLDS for n in (5, 10, 20)), *NESTED):
        ours, rivals = verdict_rates(world, 0.0, times, seed), rival_rates(world, 0.0, times, seed)
        shares = (ours["worse"], ours["better"], ours["same"], *rivals.values())
        rows.append([_name(world), str(world.blocks), *map(percent, shares)])
    return table(["world", "blocks", "worse", "better", "same", "t-test p<0.05", "`mean:5%`", "150 %"], rows)


def between_runs(times: int, seed: int) -> str:
    """Tabulate false alarms and slowdowns found between two runs, unpaired."""
    rows = []
    for world in (*(replace(w, blocks=n) for w in WORLDS[:2] for n in (10, 20)), *NESTED):
        ours = between_runs_rates(world, 0.0, times, seed)
        found = [between_runs_rates(world, effect, times, seed)["worse"] for effect in (0.05, 0.10, 0.20)]
        rows.append(
            [
                _name(world),
                str(world.blocks),
                *map(percent, (ours["worse"], ours["better"], ours["same"], *found)),
            ]
        )
    heads = ["worse (A/A)", "better (A/A)", "same (A/A)", "5 % found", "10 % found", "20 % found"]
    return table(["world", "blocks", *heads], rows)


def power(times: int, seed: int) -> str:
    """Tabulate slowdowns found within a run, by noise and number of blocks."""
    rows = []
    for noise in (0.01, 0.03, 0.05):
        for n in (5, 10, 15, 20, 30, 45, 100):
            world = World("", blocks=n, noise=noise)
            found = [verdict_rates(world, effect, times, seed)["worse"] for effect in (0.03, 0.05, 0.10)]
            same = verdict_rates(world, 0.0, times, seed)["same"]
            rows.append([percent(noise), str(n), *map(percent, (*found, same))])
    return table(["noise", "blocks", "3 % found", "5 % found", "10 % found", "`same` at 0 %"], rows)


def spending(times: int, seed: int) -> str:
    """Tabulate the same number of blocks spent on few openings or on many."""
    rows = []
    for between in (0.0, 0.01):
        for invocations in (1, 3, 6, 12, 24, 48):
            blocks = 48
            world = World("", invocations=invocations, blocks=blocks, noise=0.02, between=between)
            found = [verdict_rates(world, effect, times, seed)["worse"] for effect in (0.0, 0.05, 0.10)]
            rows.append([percent(between), f"{invocations} × {blocks // invocations}", *map(percent, found)])
    return table(["between", "openings × blocks", "false alarms", "5 % found", "10 % found"], rows)


def coverage(times: int, seed: int) -> str:
    """Tabulate the quality of intervals of independent blocks, by method."""
    rows = []
    for world in (WORLDS[1], WORLDS[3]):
        for n in (3, 5, 6, 10, 20):
            for method in METHODS:
                covered, width = interval_quality(replace(world, blocks=n), method, times, seed)
                rows.append(
                    [
                        world.name,
                        str(n),
                        method,
                        percent(covered),
                        "none" if math.isinf(width) else percent(width),
                    ]
                )
    return table(["world", "blocks", "method", "coverage", "width"], rows)


def until_precise(
    world: World, effect: float, target: float, times: int, seed: int
) -> tuple[float, float, float, float]:
    """Stop sampling by width; return median blocks, and the shares that reached it, were called worse, and covered."""
    stops, reached, worse, covered = [], 0, 0, 0
    for draw in draws(world, effect, times, seed):
        stop = world.blocks
        for blocks in (n for n in CHECKPOINTS if n <= world.blocks):
            found = _first(draw, blocks).cost.interval
            low, high = (math.inf if v is None else v for v in (found.low, found.high))
            if high - low <= 2 * math.log1p(target):
                stop, reached = blocks, reached + 1
                break
        part = _first(draw, stop)
        interval = part.cost.interval
        worse += judge(part.cost, part.floor, DEFAULT_THRESHOLD).verdict == "worse"
        low, high = (math.nan if v is None else v for v in (interval.low, interval.high))
        covered += low <= math.log1p(effect) <= high
        stops.append(stop)
    return float(np.median(stops)), reached / times, worse / times, covered / times


def _first(draw: Draw, blocks: int) -> Draw:
    return Draw(
        *(
            replace(s, value=s.value[:blocks], block=s.block[:blocks], invocation=s.invocation[:blocks])
            for s in (draw.base, draw.control, draw.subject)
        )
    )


def precision(times: int, seed: int) -> str:
    """Tabulate sampling until the interval is narrow enough, for at most 240 blocks, from at most 100 draws."""
    times = min(times, 100)
    rows = []
    for world in (replace(w, blocks=240) for w in WORLDS):
        for target in (0.005, 0.01, 0.02):
            blocks, reached, false, covered = until_precise(world, 0.0, target, times, seed)
            power = [until_precise(world, effect, target, times, seed)[2] for effect in (0.03, 0.05)]
            cells = (percent(reached), percent(false), *map(percent, power), percent(covered))
            rows.append([world.name, f"±{target * 100:g} %", f"{blocks:.0f}", *cells])
    heads = ["median blocks", "reached", "false alarms", "3 % found", "5 % found", "coverage"]
    return table(["world", "aim", *heads], rows)


def coverage_by_unit(times: int, seed: int) -> str:
    """Tabulate the quality of intervals where invocations differ, by the unit taken as independent."""
    rows = []
    for world in NESTED[2:]:
        for unit in ("block", "cluster bootstrap", "invocation"):
            covered, width = unit_quality(world, unit, times, seed)
            rows.append([world.name, unit, percent(covered), percent(width)])
    return table(["world", "unit", "coverage", "width"], rows)


TABLES = {
    "False alarms within a run: nothing differs (A/A)": false_alarms,
    "Between two runs, unpaired: false alarms, and slowdowns found": between_runs,
    "Power within a run: slowdowns found, and equality shown where nothing differs": power,
    "48 blocks in few or many openings (2 % noise)": spending,
    "Sampling until precise: `--precision`, at most 240 blocks (100 draws)": precision,
    "Coverage of 95 % intervals of the cost, and their median width": coverage,
    "Coverage of 95 % intervals with 3 % between invocations, by unit": coverage_by_unit,
}


if __name__ == "__main__":
    sys.stdout.write(sections(TABLES, times=400, seed=1) + "\n")
