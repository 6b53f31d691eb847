"""Runs a plan and keeps its trials: the manifest, the writer, the campaign, and what an interruption leaves."""

from __future__ import annotations

import datetime
import json
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

from tare.bench.campaign.loop import Campaign, done_trials
from tare.bench.campaign.stopping import Precision
from tare.bench.planning.budget import timings_file
from tare.results.record import BASE, CONTROL_SUFFIX, CPU_TIME, FORMAT_VERSION, Manifest
from tare.results.storage.load import load_run
from tare.results.storage.store import RunWriter, resume
from tare.runners.host.conditions import conditions
from tare.runners.host.facts import context_facts, host_facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.bench.planning.plan import Plan
    from tare.bench.planning.runners import Bench
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.runners.images.image import Image
    from tare.runners.model import Limits


def measure(
    request: Request,
    bench: Bench,
    plan: Plan,
    image: Image,
    limits: Limits,
    progress: Progress,
    verified: Mapping[str, Any] | None = None,
    own_images: Mapping[str, Image] | None = None,
) -> tuple[Path, bool]:
    """Measure the plan. Returns the run's folder and whether it was interrupted.

    Ctrl-C and SIGTERM end the run in order: places are torn down and what was measured is kept. ``verified`` is what
    was found of the limits beforehand, ``own_images`` the images of runners that have not the common one: see
    :class:`tare.bench.campaign.provision.Supplied`.
    """
    with _writer(request, bench, plan, image, limits, verified or {}, own_images or {}) as writer:
        campaign = Campaign(
            run_id=writer.manifest.run,
            plan=plan,
            runners=bench.runners,
            image=image,
            own_images=own_images or {},
            limits=limits,
            store=writer.append,
            progress=progress,
            supplies=bench.supplies,
            precision=_precision(request, bench),
        )
        if request.resume:
            _take_up(campaign, writer, bench, progress)
        status, interrupted = "interrupted", True
        try:
            campaign.run()
            status, interrupted = "complete", False
            if campaign.precision:
                reached = campaign.precision.reached()
                writer.update(notes={**writer.manifest.notes, "precision_reached_after_blocks": reached})
        except KeyboardInterrupt:
            progress.end()
            progress.say(
                "interrupted; all that was measured is kept. Go on with: "
                + request.resuming.format(run=writer.manifest.run)
            )
        finally:
            writer.finish("complete" if status == "complete" else "interrupted")
            _remember(bench.supplies.context.cache, campaign.seen)
        return writer.path, interrupted


def _precision(request: Request, bench: Bench) -> Precision | None:
    target = request.settings.get("run.precision")
    if not target:
        return None
    versions = tuple(name for name, _ in request.versions)
    base = versions[0] if versions else "" if request.variants else bench.runners[BASE].label
    also = (CPU_TIME,) if versions or request.variants else ()
    return Precision(target, base, versions, also)


def _writer(
    request: Request,
    bench: Bench,
    plan: Plan,
    image: Image,
    limits: Limits,
    verified: Mapping[str, Any],
    own_images: Mapping[str, Image],
) -> RunWriter:
    folder = request.settings["run.results_dir"]
    if request.resume:
        return resume(folder / request.resume)
    workdir = bench.supplies.context.workdir
    facts = host_facts(workdir)
    manifest = Manifest(
        format=FORMAT_VERSION,
        run=bench.supplies.context.run,
        name=request.settings["run.name"],
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        mode=plan.mode.name,
        seed=plan.seed,
        status="running",
        host={**facts, "conditions": [asdict(condition) for condition in conditions(workdir)]},
        context={**context_facts(facts), "image": image.key, "limits": msgspec.to_builtins(limits)},
        plan={**plan.record(), "request": request.record()},
        versions=_versions(),
        image=dict(image.record()),
        notes={
            "probes": {key: _probe_notes(probe) for key, probe in bench.probes.items()},
            "limits": dict(verified),
            **({"images": {key: own.record() for key, own in own_images.items()}} if own_images else {}),
        },
    )
    return RunWriter.create(folder, manifest)


def _take_up(campaign: Campaign, writer: RunWriter, bench: Bench, progress: Progress) -> None:
    for notice in writer.notices:
        progress.say(notice)
    trials = list(load_run(writer.path).trials())
    labels = {
        runner.label + again: key + again
        for key, runner in bench.runners.items()
        for again in ("", CONTROL_SUFFIX)
    }
    campaign.done = done_trials(trials, labels)
    if campaign.precision:
        for trial in trials:
            campaign.precision.add(trial)
    campaign.number = writer.next_number
    campaign.invocation = 1 + max((trial.invocation for trial in trials), default=-1)
    progress.say(f"going on with {writer.manifest.run} at trial {campaign.number}")


def _probe_notes(probe: Any) -> dict[str, Any]:
    facts = {
        name: value
        for name, value in probe.facts.items()
        if isinstance(value, str | int | float | bool | list | dict)
    }
    return {"ok": probe.ok, "reason": probe.reason, "remedy": probe.remedy, "facts": facts}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in (
        "tarebench",
        "pytest-benchmark",
        "psutil",
        "msgspec",
        "numpy",
        "scipy",
        "pandas",
        "matplotlib",
        "py-spy",
    ):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _remember(cache: Path, seen: dict[str, list[float]]) -> None:
    """Keep what cases cost, for the next plan's estimate. Not being able to is no failure."""
    path = timings_file(cache)
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if not isinstance(known, dict):
        known = {}
    known.update({key: round(median(values), 4) for key, values in seen.items()})
    try:
        fresh = path.with_suffix(".tmp")
        fresh.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
        fresh.replace(path)
    except OSError:
        return
