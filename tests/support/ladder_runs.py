"""Make runs that measured the isolation ladder at known costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.results_making import metric, trial, write_run
from tare.results.environment import ProbeRecord
from tare.results.storage.load import Run, load_run
from tare.runners.containers.namespaces.ladder import ladder_rung, rung_record

if TYPE_CHECKING:
    from tare.results.record import Trial

COSTS = {"bare": 1.0, "namespaces:chroot": 1.1, "namespaces:+mount": 2.1, "namespaces": 2.3}


def probes(*names: str) -> dict[str, ProbeRecord]:
    """Say of runners that they work, and which rung they stand on."""
    return {
        name: ProbeRecord(ok=True, rung=rung_record(ladder_rung(name, root=True), root=True))
        for name in names
    }


def run(
    folder: Path,
    costs: Mapping[str, float],
    *,
    blocks: int = 8,
    drift: float = 0.5,
    nested: bool = False,
    **changes: Any,
) -> Run:
    """Make a run of each runner's cost in each block, on a machine that drifts by a factor from block to block."""
    trials: list[Trial] = []
    for block in range(blocks):
        for runner, cost in costs.items():
            number = len(trials)
            value = metric(cost * (1 + drift * (block % 3)) / 1000, primary=True)
            invocation = list(costs).index(runner) if nested else number
            trials.append(trial(number, value, runner=runner, block=block, invocation=invocation))
    asked = probes(*(name for name in costs if name != "bare"))
    return load_run(write_run(folder, trials, probes=asked, **changes))
