"""Simulate histories: how often the search for change points raises a false alarm, and how often it finds a step.

``python -m tare.bench.tools.simulations.histories`` prints the tables of ``docs/method.md`` (some ten minutes of CPU time).
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import numpy as np

from tare.bench.tools.simulations.markdown import percent, table
from tare.results.judgement.thresholds import DEFAULT_THRESHOLD
from tare.results.statistics.changepoints import change_points

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    Noise = Callable[[Generator, int], NDArray[np.float64]]
    """Draws so many log values of standard deviation :data:`SPREAD` around 0."""

SPREAD = 0.03
"""Standard deviation between runs, as a relative difference."""

LENGTHS = (12, 30, 60)
"""Runs of a history."""


def normal(random: Generator, runs: int) -> NDArray[np.float64]:
    """Draw independent normal noise."""
    return random.normal(0, SPREAD, runs)


def heavy_tailed(random: Generator, runs: int) -> NDArray[np.float64]:
    """Draw independent noise from Student's t with 3 degrees of freedom."""
    return np.asarray(random.standard_t(3, runs) * SPREAD / np.sqrt(3))


def with_outliers(random: Generator, runs: int) -> NDArray[np.float64]:
    """Draw normal noise in which 5 % of the runs are 20 % too high or too low."""
    values = normal(random, runs)
    odd = random.random(runs) < 0.05
    return np.where(odd, values + np.log(random.choice([0.8, 1.2], runs)), values)


def autocorrelated(correlation: float) -> Noise:
    """Make a noise in which neighbouring runs correlate (an autoregressive process of first order)."""

    def draw(random: Generator, runs: int) -> NDArray[np.float64]:
        values = random.normal(0, SPREAD, runs)
        for i in range(1, runs):
            values[i] = correlation * values[i - 1] + np.sqrt(1 - correlation**2) * values[i]
        return values

    return draw


NOISES: dict[str, Noise] = {
    "normal": normal,
    "Student's t, 3 degrees of freedom": heavy_tailed,
    "5 % outliers of ±20 %": with_outliers,
    "AR(0.3)": autocorrelated(0.3),
    "AR(0.5)": autocorrelated(0.5),
    "AR(0.7)": autocorrelated(0.7),
}
"""Name → noise of a history without a change."""


def alarm_rate(noise: Noise, runs: int, times: int, seed: int, threshold: float = DEFAULT_THRESHOLD) -> float:
    """Return the share of histories without a change in which any change is found."""
    alarms = 0
    for i in range(times):
        values = np.exp(noise(np.random.default_rng([seed, i]), runs))
        alarms += bool(change_points(values.tolist(), threshold=threshold))
    return alarms / times


def found_rate(step: float, start: int, runs: int, times: int, seed: int) -> tuple[float, float]:
    """Return how often a lasting step in normal noise is found, and how often within 3 runs and nothing else.

    Args:
        step: Relative change: 0.05 is 5 %.
        start: Index of the first run after it.
        runs: Length of the history.
        times: Number of histories.
        seed: Seed of the noise.
    """
    found = exact = 0
    for i in range(times):
        logs = normal(np.random.default_rng([seed, i]), runs) + np.log1p(step) * (np.arange(runs) >= start)
        changes = change_points(np.exp(logs).tolist(), threshold=DEFAULT_THRESHOLD)
        found += bool(changes)
        exact += len(changes) == 1 and abs(changes[0].index - start) <= 3
    return found / times, exact / times


def alarms(times: int, seed: int) -> str:
    """Tabulate false alarms, with the default threshold and with none."""
    rows = []
    for name, noise in NOISES.items():
        rates = [
            alarm_rate(noise, runs, times, seed, threshold)
            for threshold in (DEFAULT_THRESHOLD, 0.0)
            for runs in LENGTHS
        ]
        rows.append([name, *map(percent, rates)])
    limit = f"from {DEFAULT_THRESHOLD * 100:g} % on"
    heads = [f"{runs} runs, {what}" for what in (limit, "any size") for runs in LENGTHS]
    return table(["noise between runs", *heads], rows)


def steps(times: int, seed: int) -> str:
    """Tabulate how often steps of several sizes are found."""
    rows = []
    for runs, start in ((12, 8), (30, 18), (60, 30), (60, 45), (60, 58)):
        rates = [found_rate(step, start, runs, times, seed) for step in (0.03, 0.05, 0.10, 0.20)]
        rows.append([str(runs), str(start), *(f"{percent(a)} ({percent(b)})" for a, b in rates)])
    heads = [f"{step} % found (alone, within 3 runs)" for step in (3, 5, 10, 20)]
    return table(["runs", "step before run", *heads], rows)


def main() -> int:
    """Print both tables of docs/method.md as Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m tare.bench.tools.simulations.histories",
        description=(__doc__ or "").partition("\n")[0],
    )
    parser.add_argument("--times", type=int, default=1000, help="histories for each figure (default: 1000)")
    times = parser.parse_args().times
    sys.stdout.write(f"{alarms(times, seed=1)}\n\n{steps(times, seed=2)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
