"""Limits are what jobs find them to be: bare metal and containers of ours, as root and as an ordinary user."""

import os

import pytest
from launched_places import EMPTY, run_context, settled_state
from test_network_live import with_program

from results.limits import deviations
from runners.bare import Bare
from runners.inside.limits import verify
from runners.model import Limits
from runners.namespaces import Namespaces

LIMITS = Limits(cpus=1, memory_bytes=96 << 20, pids=60, cpuset=(min(os.sched_getaffinity(0)),))


@pytest.mark.parametrize("name", ["bare", "namespaces", "namespaces:+net"])
def test_what_exceeds_its_limit_is_refused_or_killed(name):
    with run_context() as (context, image):
        runner = Bare(context) if name == "bare" else Namespaces(context, name)
        probe = runner.probe()
        if not probe.ok:
            pytest.skip(f"{probe.reason}; {probe.remedy}")
        runner.prepare(with_program(image), LIMITS)
        found = verify(runner, LIMITS)
        runner.close()
    assert found["cpus"]
    assert found["memory_seen_bytes"] > 0
    by_cgroup = "watched" not in str(found["memory"].get("by", ""))
    assert found["memory"]["end"] in {"killed", "refused"}
    if name != "namespaces:+net" and os.getuid() == 0 and by_cgroup:
        assert LIMITS.memory_bytes * 0.8 < found["memory"]["reached_bytes"] <= LIMITS.memory_bytes
        assert found["pids"]["end"] == "refused"
        assert LIMITS.pids - 10 <= found["pids"]["reached"] < LIMITS.pids
        assert found["cpus"] == list(LIMITS.cpuset)
        asked = {"cpus": 1, "memory_bytes": LIMITS.memory_bytes, "pids": 60, "cpuset": list(LIMITS.cpuset)}
        assert not [line for line in deviations(asked, found) if "not kept" in line or "outside of" in line]
    assert settled_state(context.run) == EMPTY
