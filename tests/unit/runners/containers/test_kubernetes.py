"""The runner kubernetes without a cluster: what it reads from events, what it asks for, when it refuses."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.paths import GOLDEN
from support.stub import Duck
from tare.results.environment import EngineFacts
from tare.runners.containers.kubernetes.build import described_packages
from tare.runners.containers.kubernetes.clearing import clear_kubernetes, namespace_of
from tare.runners.containers.kubernetes.kubectl import ClusterError, Kubectl
from tare.runners.containers.kubernetes.runner import Kubernetes, chosen_node, is_this_host, pod_of
from tare.runners.containers.kubernetes.watch import Documents, PodWatch, states
from tare.runners.host.processes import boot_id
from tare.runners.model import Limits
from tare.runners.provision.tools import Tool

MIB = 1 << 20
LIMITS = Limits(cpus=1, memory_bytes=64 * MIB, pids=64, scratch_bytes=32 * MIB)


def event(kind, *, scheduled=False, state=""):
    status: dict[str, object] = {
        "conditions": [{"type": "PodScheduled", "status": "True" if scheduled else "False"}]
    }
    if state:
        status["containerStatuses"] = [{"name": "p", "state": {state: {}}}]
    return {"type": kind, "object": {"kind": "Pod", "metadata": {"name": "p"}, "status": status}}


LIFE = [
    event("ADDED"),
    event("MODIFIED", scheduled=True),
    event("MODIFIED", scheduled=True, state="waiting"),
    event("MODIFIED", scheduled=True, state="running"),
    event("MODIFIED", scheduled=True, state="terminated"),
    event("DELETED", scheduled=True, state="terminated"),
]


def test_a_pods_life_in_events():
    told = [sorted(states(each["type"], each["object"]["status"])) for each in LIFE]
    assert told == [
        [], ["create"], ["create"], ["create", "start"], ["create", "die"], ["create", "die", "remove"],
    ]  # fmt: skip


def test_a_recorded_life_is_told_in_the_same_words():
    recorded = json.loads((GOLDEN / "kubernetes/events.json").read_text())
    watch = PodWatch(None, "THE-NAMESPACE", "THE-RUN")
    for number, each in enumerate(recorded):
        watch.take(each, number)
    assert watch.events("THE-POD") == [("create", 1), ("start", 3), ("die", 4), ("remove", 6)]


def test_the_first_news_of_a_kind_counts():
    watch = PodWatch(None, "tare-r", "r")
    for number, each in enumerate(LIFE):
        watch.take(each, number)
    assert watch.events("p") == [("create", 1), ("start", 3), ("die", 4), ("remove", 5)]
    assert watch._seen == {}


@given(st.lists(st.integers(1, 400), max_size=30))
def test_documents_are_found_wherever_the_stream_is_cut(cuts):
    data = "\n".join(
        json.dumps(each | {"text": "Wörter 단어"}, ensure_ascii=False, indent=1) for each in LIFE
    ).encode()
    documents, found, at = Documents(), [], 0
    for size in [*cuts, len(data)]:
        found += documents.feed(data[at : at + size])
        at += size
    assert [each["type"] for each in found] == [each["type"] for each in LIFE]


def test_what_the_pod_is_asked_to_be():
    pod: Any = pod_of("p", "localhost/x:1", ("/tare-agent", "m", "0,1?"), LIMITS, "r", loaded=True)
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["/tare-agent", "m", "0,1?"]
    assert container["imagePullPolicy"] == "Never"
    assert container["stdin"] is container["stdinOnce"] is True
    assert container["resources"]["limits"]["memory"] == str(64 * MIB)
    assert ("cpu" in container["resources"]["limits"]) == (os.cpu_count() > 1)
    assert pod["spec"]["volumes"][0]["emptyDir"] == {"sizeLimit": str(32 * MIB)}
    pod = pod_of("p", "x", ("a",), LIMITS, "r", loaded=False)
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


@given(st.text(alphabet="abcXYZ019._-", min_size=1, max_size=80))
def test_a_namespace_is_a_dns_label(run):
    name = namespace_of(run)
    assert name.startswith("tare-") or name == "tare"
    assert len(name) <= 40
    assert name.replace("-", "").isalnum()
    assert name == name.lower()
    assert name[-1] != "-"


def node(boot, *, ready="True"):
    return {
        "metadata": {"name": boot},
        "status": {
            "nodeInfo": {
                "bootID": boot, "kernelVersion": "6.1", "kubeletVersion": "v1.30.0",
                "containerRuntimeVersion": "containerd://1.7",
            },
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }  # fmt: skip


class Answers(Duck):
    """A kubectl that says one thing."""

    def __init__(self, answer):
        self.answer = answer

    def ask(self, *_arguments, seconds=0):
        return self.answer


def test_of_several_nodes_this_host_is_taken():
    assert chosen_node(Answers({"items": [node("other"), node(boot_id())]}))["metadata"]["name"] == boot_id()
    assert not is_this_host(node("other"))


def test_no_node_is_ready():
    with pytest.raises(ClusterError, match="has 1 nodes, and none is ready"):
        chosen_node(Answers({"items": [node("a", ready="Unknown")]}))


def test_where_the_image_cannot_be_loaded(tmp_path):
    runner = Kubernetes(None, None, sockets=(f"{tmp_path}/none",))
    reason, remedy = runner._no_image(node("other"))
    assert "another machine" in reason
    assert "--kubernetes-image" in remedy
    reason, remedy = runner._no_image(node(boot_id()))
    assert f"{tmp_path}/none" in reason
    assert "--kubernetes-containerd" in remedy
    assert Kubernetes(None, None, image="registry.example/tare:1")._no_image(node("other")) is None


class Provisions(Duck):
    def __init__(self, tool=None):
        self.found = tool

    def here(self, name):
        return self.found


def tool(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return Tool("kubectl", path, (), (), {}, "given", 'GitVersion:"v1.20.2"', "", Path("/"))


def test_without_a_kubeconfig_it_is_skipped(monkeypatch, tmp_path):
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    probe = Kubernetes(None, Provisions()).probe()
    assert (probe.ok, probe.reason) == (False, "there is no kubeconfig")
    assert "nox -s kubernetes" in probe.remedy


def test_without_kubectl_it_is_skipped(monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/somewhere")
    probe = Kubernetes(None, Provisions()).probe()
    assert (probe.ok, probe.reason) == (False, "kubectl is not installed")


def test_a_cluster_that_does_not_answer_is_skipped_in_its_own_words(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", "/somewhere")
    broken = tool(tmp_path / "kubectl", "echo 'dial tcp: connection refused' >&2; exit 1")
    probe = Kubernetes(None, Provisions(broken)).probe()
    assert probe.reason == "kubectl get: dial tcp: connection refused"


def test_a_cluster_that_answers(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", "/somewhere")
    answer = json.dumps({"items": [node("other")]})
    good = tool(tmp_path / "kubectl", f"echo '{answer}'")
    probe = Kubernetes(None, Provisions(good), image="registry.example/tare:1").probe()
    assert probe.ok
    assert probe.facts == EngineFacts(
        engine="Kubernetes v1.30.0, containerd://1.7", same_host=False, client="kubectl v1.20.2"
    )


def test_an_answer_that_is_no_json(tmp_path):
    with pytest.raises(ClusterError, match="in JSON"):
        Kubectl(tool(tmp_path / "kubectl", "echo hello")).ask("get", "nodes")


def test_a_cluster_for_trying_that_is_gone_needs_no_clearing(tmp_path):
    assert clear_kubernetes(f"tare@{tmp_path}/kubeconfig", "r") == []


def test_packages_of_the_api_description(tmp_path):
    for path, text in {
        "pkg/a/doc.go": "// +k8s:openapi-gen=true",
        "pkg/b/doc.go": "// nothing",
        "pkg/c/doc_test.go": "// +k8s:openapi-gen=true",
        "staging/src/k8s.io/api/core/v1/doc.go": "// +k8s:openapi-gen=true",
        "staging/src/k8s.io/sample-apiserver/doc.go": "// +k8s:openapi-gen=true",
        "test/d/doc.go": "// +k8s:openapi-gen=true",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert described_packages(tmp_path) == ["pkg/a", "vendor/k8s.io/api/core/v1"]


def test_kubectl_gets_only_what_it_lives_by(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET", "x")
    given = Kubectl(tool(tmp_path / "kubectl", "env"), "/config", "there")
    assert "SECRET" not in given.environ
    assert given.environ["KUBECONFIG"] == "/config"
    assert given.argv("get")[1:] == ("--context", "there", "get")
    assert subprocess.run(given.argv(), env=given.environ, check=True, capture_output=True).returncode == 0
