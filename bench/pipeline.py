"""The suite's table of contents: plan → provision → launch → collect → store → compare and report.

:func:`execute` is what ``tare run``, ``tare ab`` and the pytest plugin call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.analysis.conclusion import Finished, conclude
from tare.bench.campaign.counting import count
from tare.bench.campaign.duet_probe import choose_duets
from tare.bench.campaign.provision import provision
from tare.bench.campaign.run import measure
from tare.bench.campaign.session import opened
from tare.bench.planning.from_request import plan, worth_measuring
from tare.bench.planning.resume import resumed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.bench.progress import Progress
    from tare.bench.request.request import Request


def execute(request: Request, progress: Progress, answer: Callable[[str], None] | None = None) -> Finished:
    """Run the main job, from plan to report. ``answer`` is given the summary before the report is written."""
    request, kept = resumed(request) if request.resume else (request, None)
    with opened(request, progress) as bench:
        draft = worth_measuring(request, plan(request, bench))
        provisioned = provision(request, bench, draft, progress)
        if not kept:
            request = choose_duets(request, provisioned, draft, progress)
        final = worth_measuring(request, kept or plan(request, provisioned.bench, provisioned.missing))
        measured = measure(request, provisioned, final, progress)
        if request.profile:
            from tare.bench.campaign.profiling import profile  # noqa: PLC0415 - 30 ms that only profiling pays

            profile(request, provisioned, final, measured, progress)
        count(request, provisioned, final, measured, progress)
    return conclude(request, measured, progress, answer)
