"""The runner kubernetes, whole, on a kubectl that replays what a cluster said; the agent and its channel are real."""

import contextlib
import itertools

import pytest

from support.kubectl_double import Double
from support.launched_places import EMPTY, run_context, settled_state
from tare.results.record import MARKS
from tare.runners.containers.kubernetes.runner import Kubernetes
from tare.runners.errors import PlaceFailure
from tare.runners.model import Job, Limits

pytestmark = pytest.mark.integration
LIMITS = Limits(cpus=1, memory_bytes=64 << 20)


@contextlib.contextmanager
def prepared(monkeypatch, tmp_path, boot=""):
    with run_context() as (context, image):
        double = Double(tmp_path / "double", image.agent, boot)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        (tmp_path / "kubeconfig").touch()
        runner = Kubernetes(context, double, image="registry.example/tare:1")
        assert runner.probe().ok
        try:
            runner.prepare(image, LIMITS)
            yield runner, double
        finally:
            runner.close()
        assert double.namespaces == []
        # Its registration would ask a true kubectl.
        (tmp_path / "kubeconfig").unlink()
    assert settled_state(context.run) == EMPTY


def test_a_cold_start_has_the_whole_timeline_and_the_clusters_own_phases(monkeypatch, tmp_path):
    job = Job()
    with prepared(monkeypatch, tmp_path) as (runner, double):
        with runner.open(first=job) as place:
            assert place.run(job).exit_code == 0
        marks = [mark for mark in MARKS if mark in place.timeline]
        assert sorted(place.timeline, key=place.timeline.get) == marks
        assert set(marks) == {"requested", "spawned", "agent", "ready", "started", "finished", "gone"}
        names = {metric.name for metric in place.metrics}
        assert names >= {"engine.create", "engine.start", "engine.stop", "engine.remove"}
        assert double.namespaces == [runner.namespace]
        ran = [words for words in double.log if "run" in words[:3]][-1]
        assert ran[:3] == ["--context", "tare", "run"]
        assert {"--stdin", "--rm", "--wait", "--quiet"} <= set(ran)


def test_many_jobs_in_one_pod(monkeypatch, tmp_path):
    with prepared(monkeypatch, tmp_path) as (runner, _), runner.open() as place:
        assert [place.run(Job()).exit_code for _ in range(3)] == [0, 0, 0]
        assert place.vantage.top_pid > 0
        assert place.context["network"] == "pod network of the cluster"


def test_the_clock_of_a_node_elsewhere_is_mapped(monkeypatch, tmp_path):
    job = Job()
    with prepared(monkeypatch, tmp_path, boot="of another machine") as (runner, _):
        with runner.open(first=job) as place:
            assert place.run(job).exit_code == 0
        assert place.clock_error > 0
        marks = [mark for mark in MARKS if mark in place.timeline]
        # It is this host's clock in truth, so that the order holds beyond the error.
        for earlier, later in itertools.pairwise(marks):
            assert place.timeline[later] - place.timeline[earlier] >= -place.clock_error * 1e9


def test_a_cluster_that_refuses_is_a_failure_in_its_own_words(monkeypatch, tmp_path):
    with prepared(monkeypatch, tmp_path) as (runner, double):
        double.break_it()
        with pytest.raises(PlaceFailure) as caught, runner.open():
            pass
        assert "the double is broken" in caught.value.reason
        assert "pods is forbidden" in caught.value.reason
