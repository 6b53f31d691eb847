"""Real pods in the cluster that KUBECONFIG names, which is to be one for trying: `nox -s kubernetes` brings one up."""

import contextlib
import os

import pytest

from support.launched_places import EMPTY, program, run_context, settled_state
from support.other_processes import open_place
from tare.results.record import MARKS
from tare.runners import cleanup as leftovers
from tare.runners.containers.kubernetes.clearing import namespace_of
from tare.runners.containers.kubernetes.kubectl import Kubectl
from tare.runners.containers.kubernetes.runner import Kubernetes
from tare.runners.errors import PlaceFailure
from tare.runners.model import Job, Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        "KUBECONFIG" not in os.environ, reason="KUBECONFIG names no cluster; nox -s kubernetes"
    ),
]
MIB = 1 << 20
LIMITS = Limits(cpus=1, memory_bytes=64 * MIB, pids=64, scratch_bytes=32 * MIB)


@contextlib.contextmanager
def prepared(run=""):
    with run_context(run) as (context, image):
        runner = Kubernetes(
            context, Provision(default_cache()), socket=os.environ.get("TARE_KUBERNETES_CONTAINERD", "")
        )
        probe = runner.probe()
        assert probe.ok, probe
        try:
            runner.prepare(image, LIMITS)
            yield runner
        finally:
            runner.close()
    assert settled_state(context.run) == EMPTY
    assert namespaces(runner.namespace) == []


def namespaces(name):
    kubectl = Kubectl(Provision(default_cache()).tool("kubectl"))
    return kubectl.run("get", "namespace", name, "--ignore-not-found", "--output", "name").split()


def test_cold_starts_have_the_whole_timeline_and_the_clusters_own_phases():
    job = Job()
    with prepared() as runner:
        for _ in range(2):
            with runner.open(first=job) as place:
                assert place.run(job).exit_code == 0
            marks = [mark for mark in MARKS if mark in place.timeline]
            assert sorted(place.timeline, key=place.timeline.get) == marks
            assert {"requested", "spawned", "agent", "ready", "started", "finished", "gone"} == set(marks)
            found = {metric.name: metric for metric in place.metrics}
            assert {"engine.create", "engine.start", "engine.stop"} <= set(found)
            assert {metric.source for metric in found.values()} == {"pod watch"}
        kubectl = runner._prepared.kubectl
        assert kubectl.ask("get", "pods", "--namespace", runner.namespace)["items"] == []


def test_limits_hold_and_are_seen_from_inside():
    with prepared() as runner, runner.open() as place:
        assert place.context["memory_bytes"] == 64 * MIB
        assert place.context["memory_limit_by"] == "cgroup"
        assert place.vantage.top_pid > 0
        result = place.run(Job((program(place), "memory"), timeout_seconds=20))
        assert result.error == "killed by the memory limit of 64 MiB"
        assert place.run(Job()).exit_code == 0


def test_a_pod_that_is_deleted_meanwhile_is_a_failure_that_says_so():
    with prepared() as runner:
        with runner.open() as place:
            pods = ("delete", "pods", "--all", "--namespace", runner.namespace, "--grace-period", "1")
            runner._prepared.kubectl.run(*pods, seconds=60)
            with pytest.raises(PlaceFailure) as caught:
                place.run(Job())
        assert "kubectl run" in caught.value.reason
        with runner.open() as place:
            assert place.run(Job()).exit_code == 0


def test_a_killed_run_is_cleaned_up():
    run = f"killed-pod-{os.getpid()}"
    with open_place("test_kubernetes_live", run) as child:
        assert child is not None
    assert namespaces(namespace_of(run)) == [f"namespace/{namespace_of(run)}"]
    (found,) = [one for one in leftovers.find(default_cache()) if one.owner.run == run]
    removed = leftovers.remove(found, default_cache())
    assert f"namespace {namespace_of(run)} in Kubernetes" in removed
    assert settled_state(run) == EMPTY
    assert namespaces(namespace_of(run)) == []
