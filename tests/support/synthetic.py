"""Make up a run that looks like a real one: for tests, and to look at reports without measuring for an hour.

Numbers are drawn from a seeded generator around the figures that hosts of this kind show; nothing in it
was measured.
"""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tare.bench.analysis.styles import runner_styles
from tare.reports.model import ReportInput
from tare.results.judgement.comparison import Comparison
from tare.results.record import FORMAT_VERSION, HOST_CPU_TIME, Manifest, Metric, Trial
from tare.results.statistics.estimates import Estimate
from tare.results.storage.load import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.bench.request.request import ModeName
    from tare.results.judgement.comparison import Verdict
    from tare.results.record import Accelerator, Direction

RUN = "20261123-200000-synt"
THRESHOLD = 0.05


@dataclass(frozen=True, slots=True)
class Work:
    """A workload and what it costs: the base's value, and factors to it by runner."""

    workload: str
    family: str
    metric: str
    unit: str
    direction: Direction
    base: float
    factors: dict[str, float]
    noise: float = 0.012
    clock: str = ""


RUNNERS: dict[str, Accelerator] = {
    "bare": "none",
    "bare-again": "none",
    "namespaces": "none",
    "qemu-microvm(tcg)": "tcg",
    "qemu-q35(tcg)": "tcg",
}

M, Q = "qemu-microvm(tcg)", "qemu-q35(tcg)"

WORKS = (
    Work("cpu", "cpu", "sysbench.events", "ops/s", "higher", 1184.0, {"namespaces": 1.002, M: 9.6, Q: 9.7}),
    Work(
        "cpu-all",
        "cpu",
        "sysbench.events",
        "ops/s",
        "higher",
        2291.0,
        {"namespaces": 1.004, M: 18.9, Q: 19.0},
        0.02,
    ),
    Work(
        "memory",
        "memory",
        "memory.bandwidth",
        "bytes/s",
        "higher",
        9.4e9,
        {"namespaces": 1.001, M: 6.1, Q: 6.2},
        0.015,
    ),
    Work(
        "syscall",
        "kernel",
        "syscall.time",
        "s",
        "lower",
        92e-9,
        {"namespaces": 1.17, M: 21.0, Q: 21.4},
        0.008,
        "host-monotonic",
    ),
    Work(
        "switch",
        "kernel",
        "switch.time",
        "s",
        "lower",
        1.9e-6,
        {"namespaces": 1.06, M: 17.5, Q: 18.1},
        0.03,
        "host-monotonic",
    ),
    Work(
        "fork",
        "kernel",
        "fork.time",
        "s",
        "lower",
        210e-6,
        {"namespaces": 1.09, M: 34.0, Q: 35.5},
        0.02,
        "host-monotonic",
    ),
    Work(
        "disk-seq",
        "disk",
        "fio.write.bandwidth",
        "bytes/s",
        "higher",
        812e6,
        {"namespaces": 1.03, M: 1.34, Q: 1.31},
        0.05,
    ),
    Work(
        "disk-rand",
        "disk",
        "fio.randread.iops",
        "ops/s",
        "higher",
        41200.0,
        {"namespaces": 0.99, M: 4.2, Q: 4.3},
        0.03,
    ),
    Work(
        "disk-fsync",
        "disk",
        "fio.fsync.latency",
        "s",
        "lower",
        1.31e-3,
        {"namespaces": 1.05, M: 0.82, Q: 0.84},
        0.12,
        "host-monotonic",
    ),
    Work(
        "python",
        "python",
        "python.wall",
        "s",
        "lower",
        0.742,
        {"namespaces": 1.008, M: 11.8, Q: 11.9},
        0.01,
        "host-monotonic",
    ),
)

# Phase → seconds, by runner: how start-up divides.
STARTS = {
    "bare": {
        "spawned": 0.12e-3,
        "agent": 0.17e-3,
        "ready": 0.02e-3,
        "started": 0.01e-3,
        "finished": 0.01e-3,
        "gone": 0.11e-3,
    },
    "namespaces": {
        "spawned": 0.55e-3,
        "agent": 0.52e-3,
        "ready": 0.03e-3,
        "started": 0.01e-3,
        "finished": 0.01e-3,
        "gone": 0.48e-3,
    },
    M: {
        "spawned": 0.9e-3,
        "kernel": 0.168,
        "agent": 1.61,
        "ready": 0.031,
        "started": 2.1e-3,
        "finished": 0.4e-3,
        "gone": 0.062,
    },
    Q: {
        "spawned": 0.9e-3,
        "kernel": 0.631,
        "agent": 2.22,
        "ready": 0.034,
        "started": 2.3e-3,
        "finished": 0.4e-3,
        "gone": 0.094,
    },
}
STARTS["bare-again"] = STARTS["bare"]

HOSTILE = "<script>alert(1)</script> & \"quotes\" 'and' $\\frac{a}$ {braces} | pipes \x1b[31mred"


@cache
def make_input(
    *,
    blocks: int = 12,
    seed: int = 7,
    mode: ModeName = "default",
    hostile: bool = False,
    starts_per_block: int = 2,
) -> ReportInput:
    """Make up a whole run; ``hostile`` puts markup and control characters wherever a person's text goes.

    Kept for each set of arguments, since the intervals of all series take a while: do not change it in place.
    """
    trials = tuple(_number(_trials(blocks, random.Random(seed), starts_per_block), hostile))  # noqa: S311
    return ReportInput(
        manifest=_manifest(mode, seed, HOSTILE if hostile else "nightly on the test host"),
        trials=trials,
        comparisons=tuple(_compare(trials, blocks, random.Random(seed))),  # noqa: S311
        problems=(Problem(412, "cut", "the last line has no end: its writing was interrupted", HOSTILE),)
        if hostile
        else (),
        styles=runner_styles(),
    )


def empty_input(mode: ModeName = "default") -> ReportInput:
    """A run in which nothing was measured."""
    return ReportInput(manifest=_manifest(mode, 1, ""), trials=(), comparisons=(), styles=runner_styles())


def _trials(blocks: int, dice: random.Random, starts: int) -> Iterator[dict[str, Any]]:
    reason = (
        "the host has no usable KVM: /dev/kvm opens, but kernel mode is emulated at 1.9 µs per instruction"
    )
    for workload, family in (("null", "null"), ("cpu", "cpu")):
        yield _skip(
            "qemu-microvm",
            workload,
            family,
            reason,
            "run on a host with hardware virtualisation, or use TRARE_ACCEL=tcg".replace("TRARE", "TARE"),
        )
    yield _skip("runc", "null", "null", "runc was not found on PATH", "apt-get install runc")
    clock = 4_000_000_000_000
    for block in range(blocks):
        drift = 1 + 0.02 * math.sin(block / 2)
        order = [(runner, work) for runner in RUNNERS for work in (None,) * starts + WORKS]
        dice.shuffle(order)
        for position, (runner, work) in enumerate(order):
            clock += 50_000_000
            basis = {
                "runner": runner,
                "accelerator": RUNNERS[runner],
                "block": block,
                "position": position,
                "control": runner == "bare-again",
                "warmup": block == 0 and work is not None and work.workload == "python",
                "outcome": "ok",
                "at": "2026-11-23T20:00:00Z",
                "clock_error": 38e-6 if "qemu" in runner else 0.0,
            }
            if work is None:
                yield basis | _start(runner, clock, dice)
            elif block == 3 and runner == Q and work.workload == "fork":
                yield basis | {
                    "workload": "fork",
                    "family": "kernel",
                    "outcome": "timeout",
                    "reason": "the job ran longer than 60 s and was ended; raise the time-out or lower the work",
                }
            elif block == 5 and runner == M and work.workload == "disk-rand":
                yield basis | {
                    "workload": "disk-rand",
                    "family": "disk",
                    "outcome": "failed",
                    "last_line": "fio: pid=17, err=28/file:filesetup.c:240, func=write, error=No space left on device",
                    "reason": "fio exited with status 1: No space left on device; give the place a larger scratch",
                }
            else:
                yield basis | _job(work, runner, drift, dice)
    yield {
        "runner": M,
        "accelerator": "tcg",
        "block": 1,
        "workload": "null",
        "family": "null",
        "outcome": "invalid",
        "reason": "'ready' comes 0.000412 s before 'agent', beyond the clocks' error of 0.000038 s",
    }


def _skip(runner: str, workload: str, family: str, reason: str, remedy: str) -> dict[str, Any]:
    return {
        "runner": runner,
        "workload": workload,
        "family": family,
        "accelerator": "none",
        "block": -1,
        "outcome": "skipped",
        "reason": reason,
        "remedy": remedy,
    }


def _start(runner: str, clock: int, dice: random.Random) -> dict[str, Any]:
    slow = 1.9 if dice.random() < 0.02 else 1.0
    line, now = {"requested": clock}, float(clock)
    for mark, seconds in STARTS[runner].items():
        now += seconds * 1e9 * dice.lognormvariate(0, 0.07) * slow
        line[mark] = round(now)
    total = (line["gone"] - line["requested"]) / 1e9
    metrics = (
        Metric(
            name="launch.total",
            value=total,
            unit="s",
            direction="lower",
            clock="host-monotonic",
            source="timeline",
            primary=True,
        ),
        Metric(
            name="launch.start",
            value=(line["agent"] - clock) / 1e9,
            unit="s",
            direction="lower",
            clock="host-monotonic",
            source="timeline",
        ),
        *_cpu(runner, 0.3e-3, 0.6),
    )
    return {"workload": "null", "family": "null", "timeline": line, "metrics": metrics}


def _job(work: Work, runner: str, drift: float, dice: random.Random) -> dict[str, Any]:
    cost = work.factors.get(runner, 1.0) * drift * dice.lognormvariate(0, work.noise)
    value = work.base * cost if work.direction == "lower" else work.base / cost
    metrics = (
        Metric(
            name=work.metric,
            value=value,
            unit=work.unit,
            direction=work.direction,
            clock=work.clock,
            source=work.workload,
            primary=True,
        ),
        *_cpu(
            runner, 1.4 * dice.lognormvariate(0, 0.02), 0.25 if work.family in ("kernel", "disk") else 0.96
        ),
    )
    parameters = {"bs": "4k", "depth": 1} if work.workload == "disk-rand" else {}
    # The host's count has dice of its own: other load hardly changes it.
    own = random.Random(f"{runner} {work.workload} {value}")  # noqa: S311
    seconds = 1.4 * (4.2 if "qemu" in runner else 1.0) * own.lognormvariate(0, 0.006)
    source = "process" if "qemu" in runner else "cgroup"
    host = Metric(
        name=HOST_CPU_TIME, value=seconds, unit="s", direction="lower", clock="cpu-time", source=source
    )
    return {
        "workload": work.workload,
        "family": work.family,
        "parameters": parameters,
        "metrics": (*metrics, host),
    }


def _cpu(runner: str, seconds: float, user: float) -> Iterator[Metric]:
    values = {
        "cpu.user": seconds * user,
        "cpu.system": seconds * (1 - user),
        "host.cpu.user": seconds * user * 1.3,
    }
    outside = seconds * (1.3 if "qemu" in runner else 1.03)
    if "qemu" in runner:
        values |= {"vmm.cpu": outside, "vmm.cpu.vcpu": outside * 0.9, "vmm.cpu.io": outside * 0.07}
        values["vmm.cpu.other"] = outside * 0.03
    ticks = 0.01 * round(outside * user / 0.01), 0.01 * round(outside * (1 - user) / 0.01)
    values |= {"cgroup.cpu": outside, "cgroup.cpu.user": ticks[0], "cgroup.cpu.system": ticks[1]}
    for name, value in values.items():
        yield Metric(name=name, value=value, unit="s", direction="lower", clock="cpu-time", source="made up")
    for collector in ("cgroup", "host"):
        for name, value in (("seconds", 180e-6), ("cpu", 160e-6)):
            full = f"collector.{collector}.{name}"
            yield Metric(
                name=full, value=value, unit="s", direction="lower", clock="host-monotonic", source=collector
            )


def _number(found: Iterator[dict[str, Any]], hostile: bool) -> Iterator[Trial]:
    for number, fields in enumerate(found):
        marks = (
            {
                "reason": fields.get("reason", "") and HOSTILE,
                "workload": f"{fields['workload']}<b>$x",
            }
            if hostile
            else {}
        )
        yield Trial(run=RUN, number=number, **(fields | marks))


def _compare(trials: Sequence[Trial], blocks: int, dice: random.Random) -> Iterator[Comparison]:
    values: dict[tuple[str, str, str], dict[int, list[float]]] = {}
    facts: dict[tuple[str, str], tuple[Trial, Metric]] = {}
    for trial in trials:
        if trial.outcome == "ok" and not trial.warmup:
            for metric in trial.metrics:
                if metric.direction != "none" and (
                    metric.primary or metric.name in ("launch.start", "cpu.user", HOST_CPU_TIME)
                ):
                    values.setdefault((trial.workload, metric.name, trial.runner), {}).setdefault(
                        trial.block, []
                    ).append(metric.value)
                    facts[trial.workload, metric.name] = (trial, metric)
    for (workload, name), (trial, metric) in facts.items():
        base = values[workload, name, "bare"]
        cast = random.Random(workload) if name == HOST_CPU_TIME else dice  # noqa: S311
        floor = _ratio(values[workload, name, "bare-again"], base, metric.direction, cast)
        for runner in list(RUNNERS)[2:]:
            subject = values.get((workload, name, runner))
            if not subject:
                continue
            cost = _ratio(subject, base, metric.direction, cast)
            verdict, because = _judge(cost, blocks)
            notes = []
            if runner != "namespaces":
                notes.append("kernel differs: 6.18.5 under bare, 6.1.0-41-cloud-amd64 in the guest")
            if trial.family == "disk" and runner != "namespaces":
                notes.append(
                    "the guest finished 1,000 flushes in less time than the host's device needs: durability is in doubt"
                )
            yield Comparison(
                workload=workload,
                family=trial.family,
                parameters=trial.parameters,
                metric=name,
                unit=metric.unit,
                direction=metric.direction,
                clock=metric.clock,
                primary=metric.primary,
                runner=runner,
                accelerator=RUNNERS[runner],
                base="bare",
                subject_value=_median(subject),
                base_value=_median(base),
                cost=cost,
                floor=floor,
                threshold=THRESHOLD,
                verdict=verdict,
                because=because,
                notes=tuple(notes),
                blocks=blocks,
                needed_blocks=7 * blocks if verdict == "undecided" else None,
            )


def _ratio(
    subject: dict[int, list[float]], base: dict[int, list[float]], direction: str, dice: random.Random
) -> Estimate:
    pairs = [
        statistics.median(subject[b]) / statistics.median(base[b])
        for b in sorted(subject.keys() & base.keys())
    ]
    return _interval([p if direction == "lower" else 1 / p for p in pairs], dice)


def _median(by_block: dict[int, list[float]]) -> Estimate:
    return _interval([statistics.median(v) for v in by_block.values()], random.Random(1))  # noqa: S311


def _interval(values: list[float], dice: random.Random) -> Estimate:
    if len(values) < 3:
        return Estimate(
            value=statistics.median(values),
            low=None,
            high=None,
            confidence=0.95,
            n=len(values),
            method="median of block ratios",
        )
    drawn = np.array([dice.random() for _ in range(400 * len(values))]).reshape(400, len(values))
    again = np.sort(np.median(np.array(values)[(drawn * len(values)).astype(int)], axis=1)).tolist()
    return Estimate(
        value=statistics.median(values),
        low=again[9],
        high=again[389],
        confidence=0.95,
        n=len(values),
        method="bootstrap of blocks, median of paired ratios",
    )


def _judge(cost: Estimate, blocks: int) -> tuple[Verdict, str]:
    if cost.low is None or cost.high is None:
        return "undecided", f"{blocks} blocks allow no interval"
    if cost.low > 1 + THRESHOLD:
        return "worse", "the interval lies above the threshold"
    if cost.high < 1 - THRESHOLD:
        return "better", "the interval lies below the threshold"
    if cost.low > 1 - THRESHOLD and cost.high < 1 + THRESHOLD:
        return "same", "the interval lies inside the threshold"
    return "undecided", "the interval reaches across the threshold"


def _manifest(mode: ModeName, seed: int, name: str) -> Manifest:
    return Manifest(
        format=FORMAT_VERSION,
        run=RUN,
        name=name,
        created="2026-11-23T20:00:00Z",
        mode=mode,
        seed=seed,
        status="complete",
        host={
            "cpu": "AMD EPYC 9R14, 2 of 2 CPUs online",
            "memory_bytes": 16_777_216_000,
            "kernel": "6.18.5",
            "distribution": "Debian GNU/Linux 12",
            "virtualised": "kvm (nested)",
            "cgroups": {"mode": "hybrid", "controllers": ["cpu", "memory", "pids"]},
            "conditions": [
                {
                    "name": "cpu frequency governor",
                    "state": "not visible in this virtual machine",
                    "ok": True,
                    "advice": "",
                },
                {
                    "name": "load",
                    "state": "1.92 on 2 CPUs",
                    "ok": False,
                    "advice": "stop other work; results of CPU workloads are widened",
                },
                {"name": "steal", "state": "0.4 % over 2 s", "ok": True, "advice": ""},
            ],
        },
        context={
            "cpu_model": "AMD EPYC 9R14",
            "kernel": "6.18.5",
            "mitigations": {"spectre_v2": "Mitigation: Enhanced IBRS"},
        },
        plan={
            "blocks": 12,
            "workloads": ["null", *(w.workload for w in WORKS)],
            "limits": {"cpus": 2, "memory_bytes": 536870912},
        },
        versions={
            "tarebench": "0.1.0",
            "python": "3.11.7",
            "qemu": "7.2.22",
            "sysbench": "1.0.20",
            "fio": "3.33",
        },
        image={
            "base": "sha256:" + "5f" * 32,
            "tools": "sha256:" + "a1" * 32,
            "files": {"/usr/bin/fio": "sha256:" + "0c" * 32},
        },
    )
