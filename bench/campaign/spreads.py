"""Remember how much costs vary on this host, for forecasts of what a budget can decide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tare.bench.planning.estimates import merge_numbers, spread_key, spreads_file
from tare.results.statistics.width import checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from tare.bench.campaign.ledger import Account, Ledger


def remember_spreads(cache: Path, ledger: Ledger, job_seconds: float) -> None:
    """Merge the half-widths of this run, as those of a single block would be, into the cache's file."""
    new: dict[str, float] = {}
    for account in ledger.accounts.values():
        new |= spreads(account, ledger, job_seconds)
    merge_numbers(spreads_file(cache), new)


def spreads(account: Account, ledger: Ledger, job_seconds: float) -> dict[str, float]:
    """Return the half-width of each case times the root of the number of blocks; none before the first checkpoint."""
    root = math.sqrt(checkpoint(account.blocks))
    cases = {(case.workload.name, case.runner): case for case in account.unit.cases}
    found = {}
    for (workload, label, metric), width in account.precision.widths(account.blocks).items():
        case = cases.get((workload, ledger.key(label)))
        if case is not None and math.isfinite(width.later):
            judged = account.precision.judged(metric)
            found[spread_key(case, judged, job_seconds)] = round(width.later * root, 6)
    return found
