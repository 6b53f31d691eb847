"""Limits are what jobs find them to be: bare metal and containers of ours, as root and as an ordinary user."""

import os
from contextlib import closing

import pytest

from support.guests import guest_runner
from support.inside_program import with_program
from support.launched_places import EMPTY, run_context, settled_state
from tare.results.judgement.limits import deviations
from tare.runners.bare import Bare
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.images.build import build_image
from tare.runners.images.recipe import ImageContent
from tare.runners.inside import PATH, SOURCE
from tare.runners.inside.limits import verify
from tare.runners.model import Limits
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

LIMITS = Limits(cpus=1, memory_bytes=96 << 20, pids=60, cpuset=(min(os.sched_getaffinity(0)),))


@pytest.mark.parametrize("name", ["bare", "namespaces", "namespaces:+net"])
def test_what_exceeds_its_limit_is_refused_or_killed(name):
    with (
        run_context() as (context, image),
        closing(Bare(context) if name == "bare" else Namespaces(context, name)) as runner,
    ):
        probe = runner.probe()
        if not probe.ok:
            pytest.skip(f"{probe.reason}; {probe.remedy}")
        runner.prepare(with_program(image), LIMITS)
        found = verify(runner, LIMITS)
    assert found.cpus
    assert found.memory_seen_bytes > 0
    by_cgroup = not found.memory.watched
    assert found.memory.end in {"killed", "refused"}
    if name != "namespaces:+net" and os.getuid() == 0 and by_cgroup:
        assert LIMITS.memory_bytes * 0.8 < found.memory.reached_bytes <= LIMITS.memory_bytes
        assert found.pids.end == "refused"
        assert LIMITS.pids - 10 <= found.pids.reached < LIMITS.pids
        assert found.cpus == LIMITS.cpuset
        assert not [line for line in deviations(LIMITS, found) if "not kept" in line or "outside of" in line]
    assert settled_state(context.run) == EMPTY


def test_a_guests_own_kernel_keeps_its_memory_and_the_hosts_its_cpus():
    cache = default_cache()
    program = build(SOURCE, cache)
    image = build_image(
        ImageContent(programs=["busybox"], extra_files={PATH.strip("/"): program}), Provision(cache), cache
    )
    limits = Limits(cpus=1, memory_bytes=192 << 20, pids=60, scratch_bytes=32 << 20)
    with guest_runner("microvm:cpus=2", limits, image=image, accel="tcg") as runner:
        with runner.open() as place:
            limited = "cpu" in str(place.context["cgroup"])
        found = verify(runner, limits)
    assert found.guest
    assert len(found.cpus) == 2
    assert found.memory.end == "killed"
    assert 0.3 * limits.memory_bytes < found.memory.reached_bytes < limits.memory_bytes
    assert found.pids.end == "held"
    if limited and os.getuid() == 0:
        assert found.cpu.used < 1.3
