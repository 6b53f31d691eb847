"""Step 2, provision: the image, and what each runner repeats at every opening. Untimed.

What cannot be had turns cases into recorded skips; the rest of the plan goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tare.bench.planning.variants import IMAGE, SIGN
from tare.bench.workloads.python import EXTRA_FILES
from tare.bench.workloads.work import Work
from tare.results.record import BASE
from tare.runners.errors import PlaceFailure, TareError, UsageError
from tare.runners.images.build import build_image
from tare.runners.images.external import read_given
from tare.runners.inside import image_files
from tare.runners.inside.limits import verify
from tare.runners.model import Probe
from tare.runners.provision.tools import Missing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from tare.bench.planning.plan import Plan
    from tare.bench.planning.runners import Bench
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.runners.images.external import GivenImage
    from tare.runners.images.image import Image
    from tare.runners.model import Limits


_OWN_PYTHON = (
    "the suite's Python is not carried into an image made elsewhere, whose own Python and libraries it would replace",
    "run the workload without --image, or the image's own Python as the command: `tare run --image … -- python3 …`",
)

_NO_CARRY = (
    "--carry adds files of the host to the suite's own image; put them into the image made elsewhere instead"
)


@dataclass(frozen=True, slots=True)
class Supplied:
    """What provisioning came to."""

    image: Image
    bench: Bench
    """With the probes of runners that could not be prepared turned into refusals."""
    missing: Mapping[str, tuple[str, str]]
    """Program → (reason, remedy), for those that could not be had."""
    limits: Mapping[str, Mapping[str, Any]]
    """Runner's label → what its jobs found of their limits, see :func:`tare.runners.inside.limits.look`; or ``error``."""
    own_images: Mapping[str, Image]
    """Runner key → its image, where a variant has one of its own."""


def provide(request: Request, bench: Bench, plan: Plan, limits: Limits, progress: Progress) -> Supplied:
    """Build the image with the plan's programs, and prepare the runners.

    Raises:
        TareError: not even an empty image can be built, or the base cannot be prepared.
    """
    provision = bench.supplies.provision
    programs = dict.fromkeys(name for case in plan.cases for name in case.workload.programs)
    missing: dict[str, tuple[str, str]] = {}
    given = given_image(request)
    own_given = _own_given(request)
    for name in programs:
        if (given or own_given) and name == "python3":
            missing[name] = _OWN_PYTHON
            continue
        try:
            provision.tool(name)
        except Missing as error:
            missing[name] = (error.reason, error.remedy)
            progress.say(f"{name} cannot be had: {error.reason}")
    had = [name for name in programs if name not in missing]

    def built(given: GivenImage | None) -> Image:
        return build_image(
            had,
            provision,
            bench.supplies.context.cache,
            progress=progress.say,
            command=request.command,
            versions=dict(request.versions),
            carry=request.carry,
            extra_files=_extra_files(plan, had, bench.supplies.context.cache),
            given=given,
        )

    by_variant = {name: built(own) for name, own in own_given.items()}
    # Where both variants have their own, the first is what the manifest shows as the run's.
    common = next(iter(by_variant.values())) if len(by_variant) > 1 else None
    image = common or built(given)
    own_images = {
        key: by_variant[variant]
        for key in bench.runners
        if (variant := key.rpartition(SIGN)[2]) in by_variant
    }
    probes = dict(bench.probes)
    for key in dict.fromkeys(case.runner for case in plan.cases if not case.control):
        progress.say(f"preparing {bench.runners[key].label}")
        try:
            bench.runners[key].prepare(own_images.get(key, image), limits)
        except TareError as error:
            if key == BASE:
                raise
            probes[key] = refusal(probes[key], error)
            progress.say(f"{key} cannot be prepared and will be skipped: {probes[key].reason}")
    prepared = replace(bench, probes=probes)
    verified = _verified(prepared, plan, limits, progress)
    return Supplied(image, prepared, missing, verified, own_images)


def _verified(bench: Bench, plan: Plan, limits: Limits, progress: Progress) -> dict[str, Mapping[str, Any]]:
    """What each runner's jobs find of their limits: untimed, in a place of its own.

    Guests take seconds to boot, so a quick run leaves them out.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for key in dict.fromkeys(case.runner for case in plan.cases if not case.control):
        runner = bench.runners[key]
        if not bench.probes[key].ok or (runner.accelerator != "none" and plan.mode.name == "quick"):
            continue
        try:
            found[runner.label] = verify(runner, limits)
        except (TareError, OSError) as error:
            found[runner.label] = {"error": str(error)}
            progress.say(f"{key}: its limits could not be verified: {error}")
    return found


def given_image(request: Request) -> GivenImage | None:
    """The image that ``--image`` names, read and checked but not yet unpacked.

    Raises:
        UsageError: it is combined with what cannot be.
        TareError: it is no image, or none for this machine.
    """
    if not request.settings["run.image"]:
        return None
    if request.carry:
        raise UsageError(_NO_CARRY)
    return read_given(request.settings["run.image"])


def _own_given(request: Request) -> dict[str, GivenImage]:
    """Variant → the image made elsewhere that it is measured in, where it names one."""
    named = {name: own[IMAGE] for name, own in request.variants if IMAGE in own}
    if named and request.carry:
        raise UsageError(_NO_CARRY)
    return {name: read_given(path) for name, path in named.items()}


def _extra_files(plan: Plan, programs: Collection[str], cache: Path) -> dict[str, Path]:
    """What is no program that the provision knows: what looks from inside, and what workloads and experiments bring."""
    files = {**image_files(cache), **(EXTRA_FILES if "python3" in programs else {})}
    for experiment in plan.experiments():
        files |= experiment.files(cache)
    for workload in plan.workloads(cold=False):
        if isinstance(workload, Work):
            files |= workload.files(cache)
    return files


def refusal(probe: Probe, error: TareError) -> Probe:
    """The probe of a runner that promised to work, and did not when it was prepared."""
    remedy = error.remedy if isinstance(error, PlaceFailure | Missing) else ""
    reason = error.reason if isinstance(error, PlaceFailure | Missing) else str(error)
    return Probe(ok=False, reason=reason, remedy=remedy, facts=probe.facts)
