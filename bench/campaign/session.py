"""Set up what a run needs on the host, and take it down again."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.bench import catalogue
from tare.bench.planning.runners import Bench, choose_runners, in_variants, probe
from tare.bench.planning.siblings import Siblings
from tare.bench.request.provenance import asked_ahead
from tare.results.said import listed, say
from tare.results.storage.store import new_run_id
from tare.runners import cleanup, registry
from tare.runners.containers.engines.private import clear_dead
from tare.runners.context import RunContext, Supplies
from tare.runners.host.open_files import check_open_files
from tare.runners.host.steal import CpuSample
from tare.runners.host.umask import keep_own_access
from tare.runners.launcher.client import Launcher
from tare.runners.provision.cache import default_cache, work_parent
from tare.runners.provision.tools import Provision
from tare.runners.undoing import UndoLog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.bench.request.settings import OutputSettings


@contextmanager
def opened(request: Request, progress: Progress) -> Iterator[Bench]:
    """Make the work folder, start the launcher, make and probe the runners; take all of it down at the end.

    First removes what killed runs left behind, and registers what it makes itself, so that the next start finds it
    should this process be killed. What cannot be removed is noted in the context's log, and ends nothing.
    """
    check_open_files()
    keep_own_access()
    cpu_before = CpuSample.begin()
    asked = None if request.resume else asked_ahead(request.argv, request.labels)
    for problem in (*catalogue.problems(), *registry.problems()):
        progress.say(problem)
    cache = default_cache()
    log = UndoLog(progress.say)
    with log.noting(say("left.leftovers", "what a killed run left behind")):
        output = request.settings.output
        _remove_leftovers(cache, progress, output)
    run_id = request.resume or new_run_id()
    workdir = work_parent() / f"tare-{run_id}"
    with ExitStack() as stack:
        registered = cleanup.register(cache, run_id, workdir)
        stack.enter_context(log.leaving(say("left.traces", "the run's traces on this host"), registered))
        launcher = stack.enter_context(
            log.leaving(say("left.launcher", "the launcher"), Launcher.start(cache))
        )
        context = RunContext(run_id, workdir, cache, launcher, request.offline, log)
        provision = Provision(
            cache,
            offline=request.offline,
            progress=progress.say,
            chosen=request.settings.run.tools,
        )
        supplies = Supplies(context, provision, request.settings.for_runners())
        bench = (
            in_variants(request, supplies) if request.variants else probe(supplies, choose_runners(request))
        )
        for runner in bench.runners.values():
            stack.enter_context(
                log.leaving(say("left.runner", "runner {name}", name=runner.label), closing(runner))
            )
        siblings = Siblings(supplies)
        stack.enter_context(log.leaving(say("left.further", "further runners"), closing(siblings)))
        yield replace(bench, siblings=siblings, cpu_before=cpu_before, provenance=asked)


def _remove_leftovers(cache: Path, progress: Progress, output: OutputSettings) -> None:
    for leftover in cleanup.find(cache):
        cleanup.remove(leftover, cache)
        progress.say(
            say(
                "progress.leftovers",
                "removed what a killed run left behind: {names}",
                names=listed(leftover.describe(), ", "),
            )
        )
    for folder in cleanup.find_scratch(cache, output.results_dir, output.baselines_dir):
        cleanup.remove_scratch(folder)
        told = say("left.scratch", "temporary folder {path}", path=folder)
        progress.say(say("progress.leftovers", "removed what a killed run left behind: {names}", names=told))
    if removed := clear_dead():
        progress.say(
            say(
                "progress.docker_leftovers",
                "removed what tare's Docker daemon left behind: {names}",
                names=listed(removed, ", "),
            )
        )
