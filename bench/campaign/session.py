"""Open everything a run needs of the host, and take it apart again."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.planning.runners import Bench, choose_runners, in_variants, probe
from tare.results.storage.store import new_run_id
from tare.runners import cleanup as leftovers
from tare.runners.containers.engines.private import clear_dead
from tare.runners.context import RunContext
from tare.runners.launcher.client import Launcher
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision
from tare.runners.registry import Supplies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.bench.progress import Progress
    from tare.bench.request.request import Request


@contextmanager
def opened(request: Request, progress: Progress, run_id: str = "") -> Iterator[Bench]:
    """Everything a run needs of the host, taken apart again at the end.

    Removes what dead runs left, makes the work folder and starts the launcher, all of it registered so
    that the next start finds it should this process be killed.
    """
    cache = default_cache()
    for leftover in leftovers.find(cache):
        leftovers.remove(leftover, cache)
        progress.say(f"removed what a killed run had left: {', '.join(leftover.describe())}")
    if removed := clear_dead():
        progress.say(f"removed what tare's Docker daemon had left: {', '.join(removed)}")
    run_id = run_id or new_run_id()
    workdir = Path(os.environ.get("TARE_WORKDIR", "/var/tmp")) / f"tare-{run_id}"  # noqa: S108 - disk-backed, unlike /tmp
    with ExitStack() as stack:
        stack.enter_context(leftovers.register(cache, run_id, workdir))
        launcher = stack.enter_context(Launcher.start(cache))
        context = RunContext(run_id, workdir, cache, launcher, request.offline)
        provision = Provision(
            cache,
            offline=request.offline,
            progress=progress.say,
            chosen=request.settings.get("run.tools") or {},
        )
        supplies = Supplies(context, provision, request.settings)
        bench = (
            in_variants(request, supplies) if request.variants else probe(supplies, choose_runners(request))
        )
        for runner in bench.runners.values():
            stack.callback(runner.close)
        yield bench
