"""Many real places at once: started together, measured while idle, and gone afterwards."""

import os

import pytest

from support.guests import busybox_image, guest_runner
from support.launched_places import EMPTY, run_context, settled_state
from tare.bench.experiments.base import Lab
from tare.bench.experiments.density import Density
from tare.bench.experiments.scaling import SCALES
from tare.bench.experiments.starts import Starts
from tare.bench.measurable import CrowdSettings
from tare.runners.bare import Bare
from tare.runners.collectors.crowd import read_memory
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.images.build import build_image
from tare.runners.images.recipe import ImageContent
from tare.runners.model import Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration
LIMITS = Limits(cpus=1, memory_bytes=256 << 20, pids=64)


@pytest.fixture(params=[Bare, Namespaces], ids=["bare", "namespaces"])
def lab(request):
    with run_context() as (context, image):
        runner = request.param(context)
        probe = runner.probe()
        if not probe.ok:
            pytest.skip(f"{runner.name}: {probe.reason}; {probe.remedy}")
        runner.prepare(image, LIMITS)
        try:
            yield Lab(runner, image, LIMITS, context, None, CrowdSettings(most_places=6), 0.4, print)
        finally:
            runner.close()
    assert settled_state(context.run) == EMPTY


def values(findings):
    return {metric.name: metric.value for metric in findings.metrics}


def test_starts_at_once_overlap_and_leave_nothing(lab):
    findings = Starts(8, "starts-8", "").perform(lab)
    assert findings.failure is None
    found = values(findings)
    for burst in findings.details.bursts:
        assert len(burst) == 8
        assert all(0 <= one.asked_ns < one.ready_ns < one.gone_ns for one in burst)
    assert 0 < found["starts.latency"] <= found["starts.latency.slowest"]
    assert found["starts.in_flight"] > 1
    assert findings.context["kernel"] == os.uname().release


def test_the_memory_of_idle_places_is_read(lab):
    findings = Density().perform(lab)
    assert findings.failure is None
    assert values(findings)["density.places"] == 6
    memory = findings.details.memory
    assert [one.places for one in memory] == [0, 1, 2, 4, 6]
    assert [one.processes for one in memory] == [0, 1, 2, 4, 6]
    assert memory[-1].pss_bytes > memory[1].pss_bytes > 0
    assert memory[-1].attendants_bytes == 0
    assert len(findings.details.start_seconds) == 6


def test_a_guests_memory_is_its_vmms():
    with guest_runner("microvm", LIMITS, image=busybox_image()) as runner, runner.open() as place:
        memory = read_memory([place.vantage], "nobody's", "qemu-microvm")
    assert memory.processes >= 1
    assert memory.pss_bytes > 32 << 20


def test_more_busy_threads_do_more():
    """In a container of ours; guests take the same way."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one CPU is too few")
    cache = default_cache()
    image = build_image(ImageContent(programs=["sysbench"]), Provision(cache), cache)
    limits = Limits(cpus=2, memory_bytes=256 << 20, pids=64)
    with run_context() as (context, _):
        runner = Namespaces(context)
        probe = runner.probe()
        if not probe.ok:
            pytest.skip(f"{probe.reason}; {probe.remedy}")
        runner.prepare(image, limits)
        try:
            findings = SCALES[1].perform(
                Lab(runner, image, limits, context, None, CrowdSettings(), 0.05, print)
            )
        finally:
            runner.close()
    found = values(findings)
    assert found["scaling.rate"] == pytest.approx(found["scaling.rate_of_one"] * found["scaling.speedup"])
    assert 0 < found["scaling.speedup"] < 20, "what it is depends on the host's other work"
    assert settled_state(context.run) == EMPTY
