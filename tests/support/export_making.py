"""Make up a small run with everything that exports must have a place for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.results_making import RUN, manifest, metric, trial
from tare.reports.model import ReportInput

if TYPE_CHECKING:
    from tare.results.record import Metric

MARKS = {"requested": 1_000_000, "spawned": 1_050_000, "agent": 1_200_000, "started": 1_210_000}


def seconds(value: float) -> Metric:
    return metric(value, name="wall.time", primary=True, source="harness")


def rate(value: float) -> Metric:
    return metric(
        value, name="fio.rate", unit="ops/s", direction="higher", primary=True, clock="place-monotonic"
    )


def given() -> ReportInput:
    trials, number = [], 0
    for block in range(4):
        for runner, control, factor in (
            ("bare", False, 1.0),
            ("namespaces", False, 1.5),
            ("bare-again", True, 1.01),
        ):
            timeline = {k: v + block * 5_000_000 for k, v in MARKS.items()} | {
                "finished": 2_000_000 + block * 5_000_000,
                "gone": 2_500_000 + block * 5_000_000,
            }
            start = (block + 1) * factor / 1000
            common = {"runner": runner, "control": control, "block": block, "invocation": number}
            trials.append(
                trial(
                    number,
                    seconds(start),
                    metric(2048.0, name="memory.peak", unit="bytes", clock=""),
                    metric(-3.0, name="drift", unit="s", direction="none"),
                    timeline=timeline,
                    **common,
                )
            )
            trials.append(
                trial(
                    number + 1,
                    rate(100.0 * (block + 1) / factor),
                    workload="disk",
                    family="disk",
                    parameters={"depth": 4, "name": 'a"b'},
                    warmup=block == 0,
                    **common,
                )
            )
            number += 2
    trials += [
        trial(number, workload="disk", family="disk", outcome="failed", reason="fio: <no & space>\x00", runner="bare",
              parameters={"depth": 4, "name": 'a"b'}),
        trial(number + 1, runner="qemu", outcome="skipped", reason="no KVM", remedy="use another host", block=-1),
    ]  # fmt: skip
    about = manifest(
        name="example",
        status="complete",
        host={"cpu": {"model": "Example CPU"}, "kernel": {"machine": "x86_64", "release": "6.1"}},
        versions={"python": "3.11.7"},
    )
    assert about.run == RUN
    return ReportInput(about, tuple(trials), ())
