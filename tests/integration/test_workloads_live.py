"""Every workload of the registry, with the image's real tools, in real places."""

import os

import pytest

from support.launched_places import run_context
from tare.bench.workloads.base import Site
from tare.bench.workloads.listing import WORKLOADS
from tare.bench.workloads.python import EXTRA_FILES
from tare.runners.bare import Bare
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.errors import Missing
from tare.runners.images.build import build_image
from tare.runners.images.recipe import ImageContent
from tare.runners.inside import image_files
from tare.runners.model import Limits
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration

LIMITS = Limits(cpus=1, memory_bytes=512 << 20, pids=128, scratch_bytes=512 << 20)
FETCHED = {"cc1", "hackbench", "cyclictest"}
"""Programs that would be fetched for this test alone; `nox -s agreement -- workloads` runs them."""
STEADY = [workload for workload in WORKLOADS if workload.from_mode == "quick" and workload.kind == "steady"]
"""Those of every run; and of the others, which are many, one of each class, and each way of the suite's own program."""
STEADY += list(
    {
        (type(workload), getattr(workload, "operation", "")): workload
        for workload in reversed(WORKLOADS)
        if workload.from_mode == "rigorous"
        and type(workload) not in map(type, STEADY)
        and not FETCHED & {*workload.programs}
    }.values()
)[::-1]
SECONDS = 0.05


@pytest.fixture(scope="module")
def supplies():
    """A run, and an image with whatever programs can be had; what cannot is said by program."""
    with run_context() as (context, _):
        provision = Provision(context.cache)
        missing = {}
        names = dict.fromkeys(name for workload in STEADY for name in workload.programs)
        for name in names:
            try:
                provision.tool(name)
            except Missing as error:
                missing[name] = f"{error.reason}; {error.remedy}"
        files = {**image_files(context.cache), **EXTRA_FILES}
        for workload in STEADY:
            files |= workload.files(context.cache)
        there = [name for name in names if name not in missing]
        yield (
            context,
            build_image(ImageContent(programs=there, extra_files=files), provision, context.cache),
            missing,
        )


@pytest.fixture(scope="module", params=[Bare, Namespaces], ids=["bare", "namespaces"])
def place(request, supplies):
    context, image, missing = supplies
    runner = request.param(context)
    probe = runner.probe()
    if not probe.ok:
        pytest.skip(f"{runner.name}: {probe.reason}; {probe.remedy}")
    runner.prepare(image, LIMITS)
    try:
        with runner.open() as opened:
            yield opened, image, missing
    finally:
        runner.close()


@pytest.mark.parametrize("workload", STEADY, ids=lambda workload: workload.name)
def test_a_workload_runs_and_is_understood(place, workload):
    opened, image, missing = place
    for name in workload.programs:
        if name in missing:
            pytest.skip(f"{name} cannot be had: {missing[name]}")
    site = Site(image, opened.root, opened.scratch, LIMITS.cpus, min(os.sched_getaffinity(0)))
    if before := workload.preparation(site):
        assert opened.run(before).exit_code == 0
    result = opened.run(workload.job(site, max(SECONDS, workload.shortest_seconds / 2)))
    if lacking := workload.lacking(result):
        pytest.skip(f"{workload.name}: {lacking.reason}; {lacking.remedy}")
    assert result.exit_code == 0, (result.error, result.stdout[-500:], result.stderr[-500:])
    metrics = workload.metrics(result)
    assert [metric.primary for metric in metrics].count(True) == 1
    # Only what rests on the operating system's own record is held against the tool's: it was inside of the job.
    assert result.usage.user_seconds + result.usage.system_seconds > 0
    if metrics[0].unit == "ops/s":
        assert metrics[0].samples / metrics[0].value <= 1.05 * result.inside_seconds
