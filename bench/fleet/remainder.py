"""Compute what of a plan a lost host has not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tare.results.errors import ResultError
from tare.results.plan import plan_record
from tare.results.storage.load import load_run

if TYPE_CHECKING:
    from pathlib import Path

    from tare.results.plan import RequestRecord

_LEAST_SECONDS = 1.0


def remainder(request: RequestRecord, run_dir: Path | None) -> RequestRecord | None:
    """Reduce a request to the measuring time, or the blocks, that a run of it lacks.

    Args:
        request: what the host was to measure.
        run_dir: what came in of its run; ``None``: nothing.

    Returns:
        The rest; ``None`` if there is none to speak of.
    """
    if run_dir is None:
        return request
    try:
        run = load_run(run_dir)
        plan = plan_record(run.manifest)
    except ResultError:  # no manifest came in
        return request
    trials = list(run.trials())
    if plan.blocks is not None:
        done: dict[str, set[int]] = {}
        for trial in trials:
            if trial.block >= 0:
                done.setdefault(trial.workload, set()).add(trial.block)
        # The last block of a workload was under way, so it is measured again.
        fewest = min((len(blocks) for blocks in done.values()), default=0)
        return _with(request, "run.blocks", plan.blocks - max(fewest - 1, 0))
    left = plan.budget_seconds - sum(trial.spent_seconds for trial in trials)
    return _with(request, "run.budget", round(left, 3)) if left >= _LEAST_SECONDS else None


def _with(request: RequestRecord, key: str, value: float) -> RequestRecord:
    return msgspec.structs.replace(request, settings={**request.settings, key: value})
