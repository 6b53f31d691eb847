"""Build the image and prepare the runners: step 2, provision, outside everything that is timed.

What cannot be had turns cases into recorded skips; the rest of the plan goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from tare.bench.campaign.fetching import fetched_meanwhile
from tare.bench.campaign.sampling import IN_IMAGE as PROFILER
from tare.bench.campaign.sampling import py_spy
from tare.bench.measurable import CrowdSettings
from tare.bench.planning.variants import SIGN
from tare.bench.workloads.base import Site
from tare.bench.workloads.python import EXTRA_FILES
from tare.results.environment import LimitsUnverified
from tare.results.record import BASE, CONTROL_SUFFIX
from tare.results.said import say
from tare.runners.errors import Missing, PlaceFailure, TareError, UsageError
from tare.runners.images.build import build_image
from tare.runners.images.command import check_command
from tare.runners.images.external import is_here, read_external
from tare.runners.images.recipe import ImageContent
from tare.runners.images.registry import pull, registry_name
from tare.runners.inside import image_files
from tare.runners.inside.limits_cache import Circumstances, verify_once

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from tare.bench.planning.plan import Plan
    from tare.bench.planning.runners import Bench
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.results.environment import LimitsFound
    from tare.runners.context import Runner
    from tare.runners.images.external import ExternalImage
    from tare.runners.images.image import Image
    from tare.runners.model import Limits, Place, Probe
    from tare.runners.undoing import UndoLog


_OWN_PYTHON = (
    say(
        "image.own_python",
        "the suite's Python is not carried into an image made elsewhere, because it would replace the image's own",
    ),
    say(
        "remedy.own_python",
        "run the workload without --image, or the image's own Python as the command: `tare run --image … -- python3 …`",
    ),
)

_NO_CARRY = say(
    "image.no_carry",
    "--carry adds files of the host to the suite's own image; put them into the image made elsewhere instead",
)


class Provisioned(msgspec.Struct, frozen=True):
    """Everything a campaign measures with: prepared runners, images and limits."""

    bench: Bench
    """Its probes of runners that could not be prepared are refusals."""
    image: Image
    """Image of all runners that have none of their own."""
    limits: Limits
    """Limits of each place."""
    own_images: Mapping[str, Image] = msgspec.field(default_factory=dict)
    """Runner key → its image, where a variant has one of its own."""
    crowd: CrowdSettings = msgspec.field(default_factory=CrowdSettings)
    """Bounds of experiments with many places at once."""
    missing: Mapping[str, tuple[str, str]] = msgspec.field(default_factory=dict)
    """Program → (reason, remedy), for those that could not be had."""
    pulled_images: tuple[str, ...] = ()
    """Pinned names of the images that were pulled from registries."""
    verified: Mapping[str, LimitsFound] = msgspec.field(default_factory=dict)
    """Runner's label → limits as its jobs read them."""

    @property
    def undo_log(self) -> UndoLog:
        """Give the run's log of what cannot be undone."""
        return self.bench.supplies.context.undo_log

    def runner(self, key: str) -> Runner:
        """Return the runner of a case's key, which for the A/A control is the base's."""
        return self.bench.runners[key.removesuffix(CONTROL_SUFFIX)]

    def works(self, key: str) -> bool:
        """Tell whether the runner of a case's key could be prepared; true of runners that were not probed."""
        probe = self.bench.probes.get(key.removesuffix(CONTROL_SUFFIX))
        return probe is None or probe.ok

    def site(self, key: str, place: Place) -> Site:
        """Describe a place of the runner of a case's key to workloads."""
        return Site(self.image_of(key), place.root, place.scratch, self.limits.cpus)

    def image_of(self, key: str) -> Image:
        """Return the image that the runner of a case's key was prepared with."""
        return self.own_images.get(key.removesuffix(CONTROL_SUFFIX), self.image)


def provision(request: Request, bench: Bench, plan: Plan, progress: Progress) -> Provisioned:
    """Build the images with the plan's programs, prepare the runners and verify their limits.

    Raises:
        TareError: not even an empty image can be built, or the base cannot be prepared.
        UsageError: ``--image`` is combined with ``--carry``.
    """
    common, own = _given_image(request, bench), _own_given(request, bench)
    with fetched_meanwhile(bench.runners[key] for key in _runner_keys(plan)):
        image, own_images, missing = _build_images(request, bench, plan, (common, own), progress)
    pulled = dict.fromkeys(one.pulled_as for one in (common, *own.values()) if one and one.pulled_as)
    provisioned = Provisioned(bench, image, request.limits(), own_images, request.settings.crowd, missing)
    provisioned = _prepare(replace(provisioned, pulled_images=tuple(pulled)), plan, progress)
    return replace(provisioned, verified=_verify_limits(request, provisioned, plan, progress))


def _build_images(
    request: Request,
    bench: Bench,
    plan: Plan,
    given: tuple[ExternalImage | None, Mapping[str, ExternalImage]],
    progress: Progress,
) -> tuple[Image, dict[str, Image], dict[str, tuple[str, str]]]:
    """Build the common image and the variants' own ones; also return the programs that could not be had."""
    common, own = given
    missing = _fetch(_programs(plan, request), bench, progress, carry_python=not (common or own))
    commands = _commands(plan)
    if request.own and not (request.only_own or common or own):
        missing |= _without_program(commands)
    commands = {name: words for name, words in commands.items() if name not in missing}
    programs = [name for name in _programs(plan, request) if name not in missing]
    cache = bench.supplies.context.cache

    def build(given: ExternalImage | None) -> Image:
        content = ImageContent(
            programs=programs,
            versions=commands,
            carry=(*request.carry, *_carried(plan)),
            extra_files=_extra_files(plan, programs, cache) | (_profiler() if request.profile else {}),
            external=given,
        )
        return build_image(content, bench.supplies.provision, cache, progress=progress.say)

    by_variant = {name: build(given) for name, given in own.items()}
    # Where both variants have their own, the first is what the manifest shows as the run's.
    image = next(iter(by_variant.values())) if len(by_variant) > 1 else build(common)
    variants = {key: key.rpartition(SIGN)[2] for key in bench.runners}
    own_images = {key: by_variant[name] for key, name in variants.items() if name in by_variant}
    return image, own_images, missing


def _commands(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Collect the commands of the user's own workloads: name of the program in the image → words."""
    return {name: words for case in plan.cases for name, words in case.workload.commands.items()}


def _without_program(commands: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, str]]:
    """Return (reason, remedy) for each command whose program this host does not have: its workload is skipped."""
    missing = {}
    for name, words in commands.items():
        try:
            check_command(words)
        except UsageError as error:
            missing[name] = (
                str(error),
                say("remedy.install_or_correct", "install it, or correct the workload's definition"),
            )
    return missing


def _carried(plan: Plan) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(path for case in plan.cases for path in case.workload.carry))


def _programs(plan: Plan, request: Request) -> list[str]:
    """List the programs of the workloads, and the shell that runs the profiler in guests."""
    wanted = [name for case in plan.cases for name in case.workload.programs]
    return list(dict.fromkeys([*wanted, "busybox"] if request.profile else wanted))


def _profiler() -> dict[str, Path]:
    """Give the profiler as a file of the image, if this host has it; profiles say so where it is missing."""
    try:
        return {PROFILER: py_spy()}
    except TareError:
        return {}


def _fetch(
    programs: Sequence[str], bench: Bench, progress: Progress, *, carry_python: bool
) -> dict[str, tuple[str, str]]:
    """Fetch programs; return (reason, remedy) for each that could not be had."""
    missing: dict[str, tuple[str, str]] = {}
    for name in programs:
        if name == "python3" and not carry_python:
            missing[name] = _OWN_PYTHON
            continue
        try:
            bench.supplies.provision.tool(name)
        except Missing as error:
            missing[name] = (error.reason, error.remedy)
            progress.say(
                say("progress.not_had", "{name} is not available: {reason}", name=name, reason=error.reason)
            )
    return missing


def _prepare(provisioned: Provisioned, plan: Plan, progress: Progress) -> Provisioned:
    """Prepare the plan's runners; those that fail, except the base, become refusals."""
    bench = provisioned.bench
    probes = dict(bench.probes)
    for key in _runner_keys(plan):
        progress.say(say("progress.preparing", "preparing {label}", label=bench.runners[key].label))
        try:
            bench.runners[key].prepare(provisioned.image_of(key), provisioned.limits)
        except TareError as error:
            if key == BASE:
                raise
            probes[key] = _refusal(probes[key], error)
            progress.say(
                say(
                    "progress.not_prepared",
                    "{key} cannot be prepared and will be skipped: {reason}",
                    key=key,
                    reason=probes[key].reason,
                )
            )
    return replace(provisioned, bench=replace(bench, probes=probes))


def _runner_keys(plan: Plan) -> list[str]:
    return list(dict.fromkeys(case.runner for case in plan.cases if not case.control))


def _verify_limits(
    request: Request, provisioned: Provisioned, plan: Plan, progress: Progress
) -> dict[str, LimitsFound]:
    """Read each runner's limits from inside a place of its own, untimed, unless an earlier run did.

    Guests take seconds to boot, so a quick run leaves them out.
    """
    found: dict[str, LimitsFound] = {}
    bench = provisioned.bench
    by_variant = {one.name: one.settings for one in request.variants}
    for key in _runner_keys(plan):
        runner = provisioned.runner(key)
        probe = bench.probes[key]
        if not probe.ok:
            continue
        if runner.accelerator != "none" and plan.mode == "quick":
            continue
        settings = by_variant.get(key.rpartition(SIGN)[2], request.settings)
        circumstances = Circumstances(
            image=provisioned.image_of(key),
            limits=provisioned.limits,
            probe=probe,
            settings=settings.for_runners(),
            tools=settings.run.tools,
        )
        try:
            found[runner.label] = verify_once(bench.supplies.context.cache, runner, circumstances)
        except (TareError, OSError) as error:
            found[runner.label] = LimitsUnverified(reason=str(error))
            progress.say(
                say(
                    "progress.limits",
                    "{key}: its limits could not be verified: {error}",
                    key=key,
                    error=error,
                )
            )
    return found


def _given_image(request: Request, bench: Bench) -> ExternalImage | None:
    """Read and check the image that ``--image`` names, without unpacking it; ``None`` if it names none.

    Raises:
        UsageError: it is combined with ``--carry``.
        TareError: the file is no image, or none for this machine; or it cannot be pulled.
    """
    if not request.settings.run.image:
        return None
    if request.carry:
        raise UsageError(_NO_CARRY)
    return _external(request.settings.run.image, request, bench)


def _external(reference: str, request: Request, bench: Bench) -> ExternalImage:
    """Read an image by its path, or pull it by its registry's name; a run that is gone on with keeps the one it had."""
    name = None if is_here(reference) else registry_name(reference)
    if name is None:
        return read_external(reference)
    if not name.digest:
        known = (each for each in map(registry_name, request.pulled_images) if each)
        name = next((each for each in known if each == name.pinned(each.digest)), name)
    supplies = bench.supplies
    pulled = pull(name, supplies.provision, supplies.provision.progress)
    return replace(read_external(str(pulled.layout)), reference=reference, pulled_as=str(pulled.name))


def _own_given(request: Request, bench: Bench) -> dict[str, ExternalImage]:
    """Read the images that variants name for themselves: variant → image made elsewhere."""
    common = request.settings.run.image
    named = {one.name: own for one in request.variants if (own := one.settings.run.image) not in {"", common}}
    if named and request.carry:
        raise UsageError(_NO_CARRY)
    return {name: _external(reference, request, bench) for name, reference in named.items()}


def _extra_files(plan: Plan, programs: Collection[str], cache: Path) -> dict[str, Path]:
    """List what the image carries besides fetched programs: path in the image → file of the host."""
    files = {**image_files(cache), **(EXTRA_FILES if "python3" in programs else {})}
    for workload in dict.fromkeys(case.workload for case in plan.cases):
        files |= workload.files(cache)
    return files


def _refusal(probe: Probe, error: TareError) -> Probe:
    """Turn the probe of a runner that promised to work, and could not be prepared, into a refusal."""
    remedy = error.remedy if isinstance(error, PlaceFailure | Missing) else ""
    reason = error.reason if isinstance(error, PlaceFailure | Missing) else str(error)
    return replace(probe, ok=False, reason=reason, remedy=remedy)
