"""Put hosts side by side: each by its ratios to its own bare metal, and hosts of one class as repetitions of each other.

Absolute times of unlike hosts mean nothing beside each other; what a box adds to the host that it stands on does. The
host is the highest level of repetition, so the interval of a class is formed over its hosts, not over their blocks.

References:
    Kalibera, Jones 2013, "Rigorous benchmarking in reasonable time", ISMM: the highest level of repetition decides.
    DerSimonian, Laird 1986, "Meta-analysis in clinical trials", Control. Clin. Trials 7(3): variance between studies.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from tare.results.judgement.answers import pair_answers
from tare.results.judgement.comparison import CONFIDENCE
from tare.results.record import CONTROL_SUFFIX
from tare.results.statistics.distributions import normal_quantile
from tare.results.statistics.estimates import FEWEST, Estimate, one_sample
from tare.results.statistics.exponents import exp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tare.results.judgement.comparison import Comparison, Verdict

What = Literal["time", "cpu"]


class HostRun(NamedTuple):
    """Comparisons of one run with its own bare metal."""

    host: str
    host_class: str
    comparisons: Sequence[Comparison]


class CostKey(NamedTuple):
    """Name of a question that is asked of every host."""

    workload: str
    parameters: bytes
    """Parameters of the case, as JSON with sorted keys."""
    runner: str
    what: What
    """Time is the workload's primary metric; for rates, that is the time for each operation."""


@dataclass(frozen=True, slots=True)
class HostCost:
    """Cost on one host, over all its runs."""

    host: str
    cost: Estimate
    error: float | None
    """Standard error of the log ratio; ``None`` where a run has no interval."""


@dataclass(frozen=True, slots=True)
class ClassCost:
    """One question's answer for the hosts of one class."""

    key: CostKey
    host_class: str
    hosts: tuple[HostCost, ...]
    """Hosts of the class that have an answer, by name."""
    cost: Estimate
    """Ratio to bare metal: of one host its own, of more the centre over hosts. The interval of three hosts or more is that
    of their class; of two there is none."""
    spread: float | None
    """Standard deviation between hosts beyond the error within each, as a log ratio; ``None`` with one host, or where a
    host's own error is not known."""
    verdict: Verdict
    """By the interval and the threshold alone; ``undecided`` with fewer than three hosts."""


def across_hosts(runs: Iterable[HostRun]) -> list[ClassCost]:
    """Form the answer of every host class to every question that one of its hosts answers, in the order of the first run."""
    found: dict[tuple[CostKey, str], dict[str, list[Comparison]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for key, comparison in _questions(run.comparisons):
            found[key, run.host_class][run.host].append(comparison)
    return [_class_cost(key, of_class, by_host) for (key, of_class), by_host in found.items()]


def _questions(comparisons: Iterable[Comparison]) -> Iterable[tuple[CostKey, Comparison]]:
    for answers in pair_answers(comparisons):
        pairs: tuple[tuple[What, Comparison | None], ...] = (("time", answers.time), ("cpu", answers.cpu))
        for what, one in pairs:
            if one is None or one.runner.endswith(CONTROL_SUFFIX) or one.refused:
                continue
            if not (math.isfinite(one.cost.value) and one.cost.value > 0):
                continue
            parameters = msgspec.json.encode(one.parameters, order="sorted")
            yield CostKey(one.workload, parameters, one.runner, what), one


def _class_cost(key: CostKey, host_class: str, by_host: dict[str, list[Comparison]]) -> ClassCost:
    hosts = tuple(_host_cost(host, by_host[host]) for host in sorted(by_host))
    logs = [math.log(one.cost.value) for one in hosts]
    centre = one_sample(logs, CONFIDENCE).mapped(exp, CONFIDENCE)
    cost = hosts[0].cost if len(hosts) == 1 else centre
    threshold = max(one.threshold for every in by_host.values() for one in every)
    return ClassCost(
        key, host_class, hosts, cost, _spread(hosts, logs), _verdict(cost, threshold, len(hosts))
    )


def _host_cost(host: str, comparisons: Sequence[Comparison]) -> HostCost:
    """Join the runs of one host: they are further blocks, and no further host."""
    logs = [math.log(one.cost.value) for one in comparisons]
    errors = [_error(one.cost) for one in comparisons]
    known = [error for error in errors if error is not None]
    error = math.sqrt(sum(one**2 for one in known)) / len(known) if len(known) == len(errors) else None
    if len(comparisons) == 1:
        return HostCost(host, comparisons[0].cost, error)
    centre = sum(logs) / len(logs)
    half = None if error is None else error * normal_quantile((1 + CONFIDENCE) / 2)
    cost = Estimate(
        value=exp(centre),
        low=None if half is None else exp(centre - half),
        high=None if half is None else exp(centre + half),
        confidence=CONFIDENCE,
        n=sum(one.cost.n for one in comparisons),
        method="mean of runs",
    )
    return HostCost(host, cost, error)


def _error(cost: Estimate) -> float | None:
    """Derive the standard error of a log ratio from its interval."""
    if cost.low is None or cost.high is None or cost.low <= 0:
        return None
    return math.log(cost.high / cost.low) / 2 / normal_quantile((1 + cost.confidence) / 2)


def _spread(hosts: Sequence[HostCost], logs: Sequence[float]) -> float | None:
    errors = [one.error for one in hosts if one.error is not None]
    if len(hosts) < 2 or len(errors) < len(hosts):
        return None
    mean = sum(logs) / len(logs)
    total = sum((one - mean) ** 2 for one in logs) / (len(logs) - 1)
    return math.sqrt(max(0.0, total - sum(error**2 for error in errors) / len(errors)))


def _verdict(cost: Estimate, threshold: float, hosts: int) -> Verdict:
    if hosts < FEWEST or cost.low is None or cost.high is None:
        return "undecided"
    if cost.low > 1 + threshold:
        return "worse"
    if cost.high < 1 / (1 + threshold):
        return "better"
    return "same" if cost.low >= 1 / (1 + threshold) and cost.high <= 1 + threshold else "undecided"
