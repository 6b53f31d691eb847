"""CRI without a runtime: messages on the wire, the archive, the configuration, and a server that refuses."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.runners.containers.cri import availability
from tare.runners.containers.cri.clearing import clear_cri
from tare.runners.containers.cri.client import Cri
from tare.runners.containers.cri.enclosure import Enclosure
from tare.runners.containers.cri.errors import CriError
from tare.runners.containers.cri.messages import FIELDS, PACKAGE, decode, encode, pairs
from tare.runners.containers.cri.private import configure, missing_programs
from tare.runners.containers.cri.runner import Containerd, system_version
from tare.runners.context import Supplies
from tare.runners.settings import RunnerSettings

TEXT = st.text(max_size=40)


def test_a_message_is_what_protobuf_makes_of_it():
    # Field 1, of type message (2), 5 bytes: field 1 in it, 3 bytes; then field 2 of the outer one.
    data = encode("CreateContainerRequest", {"pod_sandbox_id": "abc", "config": {"image": {"image": "x"}}})
    assert data == b"\x0a\x03abc" + b"\x12\x05" + b"\x12\x03" + b"\x0a\x01x"
    assert encode("StopContainerRequest", {"container_id": "c", "timeout": 300}) == b"\x0a\x01c\x10\xac\x02"


def test_unknown_fields_are_skipped():
    assert decode("RunPodSandboxResponse", b"\x0a\x01i\x7a\x03new") == {"pod_sandbox_id": "i"}


@given(st.dictionaries(TEXT, TEXT, max_size=4), TEXT, st.booleans())
def test_what_is_encoded_is_decoded(labels, name, readonly):
    mount = {"container_path": name or "/", "readonly": True} if readonly else {"container_path": name or "/"}
    config = {"metadata": {"name": name or "n"}, "mounts": [mount], "labels": pairs(labels)}
    found = decode("ContainerConfig", encode("ContainerConfig", config))
    assert found["mounts"] == [mount]
    # Empty texts are protobuf's default and not sent.
    assert {each.get("key", ""): each.get("value", "") for each in found.get("labels", [])} == labels


def test_an_unknown_field_is_an_error_of_ours():
    with pytest.raises(Exception, match="no field named"):
        encode("VersionRequest", {"versoin": "1"})


def test_what_containerd_would_miss_is_named(tmp_path):
    assert missing_programs(tmp_path)[-1] == "CNI's plugin bridge"
    for path in (
        "usr/bin/containerd",
        "usr/bin/containerd-shim-runc-v2",
        "usr/sbin/runc",
        "opt/cni/bin/bridge",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert missing_programs(tmp_path) == []


def test_everything_that_the_private_one_keeps_is_in_its_folder(tmp_path):
    enclosure = Enclosure("r", tmp_path / "cri", tmp_path)
    enclosure.make_folder()
    command = configure(enclosure)
    assert command[0] == "containerd"
    text = (enclosure.folder / "containerd.toml").read_text()
    for key in ("root =", "state =", "address ="):
        line = next(line for line in text.splitlines() if line.startswith(key))
        assert f'"{enclosure.folder}/' in line
    assert (
        json.loads((enclosure.folder / "cni" / "10-tare.conflist").read_text())["plugins"][0]["type"]
        == "bridge"
    )
    enclosure.close()
    assert not enclosure.folder.exists()


class Runtime(grpc.GenericRpcHandler):
    """A server that answers some calls and refuses all others."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def service(self, details):
        method = details.method.rpartition("/")[2]
        if method not in self.answers:
            return None

        def answer(request, context):
            self.asked.append((details.method, decode(f"{method}Request", request)))
            found = self.answers[method]
            if isinstance(found, str):
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, found)
            return encode(f"{method}Response", found)

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(**answers):
        server = grpc.server(ThreadPoolExecutor(2))
        handler = Runtime(answers)
        server.add_generic_rpc_handlers((handler,))
        path = tmp_path / "cri.sock"
        server.add_insecure_port(f"unix://{path}")
        server.start()
        servers.append(server)
        return path, handler

    yield start
    for server in servers:
        server.stop(0).wait()


VERSION = {"runtime_name": "containerd", "runtime_version": "1.6"}
READY = {"status": {"conditions": [{"type": "RuntimeReady", "status": True}]}}
NO_NETWORK = {"status": {"conditions": [{"type": "NetworkReady", "message": "cni config uninitialized"}]}}


def test_a_runtime_that_is_ready(serve):
    path, handler = serve(Version=VERSION, Status=READY)
    assert system_version(path) == ("containerd 1.6", "")
    assert {method for method, _ in handler.asked} == {
        f"/{PACKAGE}.RuntimeService/Version", f"/{PACKAGE}.RuntimeService/Status",
    }  # fmt: skip


def test_a_runtime_without_a_network_is_passed_over_and_says_why(serve):
    path, _ = serve(Version=VERSION, Status=NO_NETWORK)
    assert system_version(path) == (
        "",
        "the system's containerd is not ready: NetworkReady: cni config uninitialized",
    )


def test_a_runtime_without_cri(serve):
    path, _ = serve()
    version, why_not = system_version(path)
    assert version == ""
    assert "UNIMPLEMENTED" in why_not


def test_nobody_at_the_socket(tmp_path):
    assert system_version(tmp_path / "none") == ("", f"there is no {tmp_path}/none")
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with Cri(str(path)) as cri, pytest.raises(CriError) as caught:
        cri.version()
    assert caught.value.absent


def test_only_a_runs_own_is_cleared(serve):
    path, handler = serve(
        ListPodSandbox={"items": [{"id": "pod-1"}]},
        StopPodSandbox={},
        RemovePodSandbox={},
        ListImages={"images": [{"repo_tags": ["localhost/tare-r1:abc", "docker.io/library/users:1"]}]},
        RemoveImage={},
    )
    assert clear_cri(str(path), "R1") == [
        "pod pod-1 in containerd",
        "image localhost/tare-r1:abc in containerd",
    ]
    asked = dict(handler.asked)
    assert asked[f"/{PACKAGE}.RuntimeService/ListPodSandbox"] == {
        "filter": {"label_selector": [{"key": "tare.run", "value": "R1"}]}
    }
    assert asked[f"/{PACKAGE}.ImageService/RemoveImage"] == {"image": {"image": "localhost/tare-r1:abc"}}


def test_a_refusal_has_the_runtimes_words(serve):
    path, _ = serve(ListPodSandbox="no such thing")
    with pytest.raises(CriError, match="no such thing") as caught:
        clear_cri(str(path), "r1")
    assert not caught.value.absent


def test_without_the_library_the_runner_says_so(monkeypatch):
    monkeypatch.setattr(availability, "importable", lambda: False)
    probe = availability.make(Supplies(None, None, RunnerSettings()), "containerd").probe()
    assert not probe.ok
    assert probe.remedy == "pip install 'tarebench[cri]'"
    with pytest.raises(CriError) as caught:
        clear_cri("/nowhere", "r1")
    assert caught.value.absent


def test_with_it_the_runner_is_the_real_one():
    assert isinstance(availability.make(Supplies(None, None, RunnerSettings()), "containerd"), Containerd)


def test_every_message_has_its_answer():
    assert {name.removesuffix("Request") for name in FIELDS if name.endswith("Request")} == {
        name.removesuffix("Response") for name in FIELDS if name.endswith("Response")
    }
