"""Undoing what is gone already is success, for every kind of thing that the suite makes; what is refused is not."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from support.docker_double import docker_double
from support.stub import Duck, Stub
from tare.runners import cleanup
from tare.runners.containers.cri.client import Cri
from tare.runners.containers.cri.enclosure import Enclosure
from tare.runners.containers.cri.errors import CriError
from tare.runners.containers.engines import link, private
from tare.runners.containers.engines.api import DockerApi, EngineError
from tare.runners.containers.engines.podman_home import PodmanHome
from tare.runners.containers.engines.private import PrivateDocker
from tare.runners.containers.kubernetes.clearing import remove_namespace
from tare.runners.containers.kubernetes.kubectl import ClusterError, Kubectl
from tare.runners.containers.kubernetes.runner import remove_pod
from tare.runners.errors import PlaceFailure
from tare.runners.host import links
from tare.runners.host.bridge import Bridge
from tare.runners.host.cgroups.files import remove_group
from tare.runners.host.cgroups.group import Cgroup, discard
from tare.runners.host.files import unmount
from tare.runners.host.processes import await_end
from tare.runners.host.trees import remove_tree

ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root may")


# -- engines ------------------------------------------------------------------------------------------


@pytest.fixture
def docker(tmp_path):
    with docker_double(tmp_path / "docker.sock") as double:
        yield double, DockerApi(str(tmp_path / "docker.sock"))


@pytest.mark.parametrize("waited", [404, 200])
def test_a_docker_container_that_is_gone_or_going(docker, waited):
    double, api = docker
    double.answers["/containers/c"] = (404, '{"message": "No such container: c"}')
    api.remove_container("c")
    double.answers["/containers/c"] = (409, '{"message": "removal of container c is already in progress"}')
    double.answers["/containers/c/wait"] = (waited, '{"message": "No such container: c"}')
    api.remove_container("c")


def test_a_docker_image_that_is_gone(docker):
    double, api = docker
    double.answers["/images/i"] = (404, '{"message": "No such image: i"}')
    api.remove_image("i")


def test_what_docker_refuses_is_no_success(docker):
    double, api = docker
    double.answers |= dict.fromkeys(("/containers/c", "/images/c"), (500, '{"message": "busy"}'))
    for remove in (api.remove_container, api.remove_image):
        with pytest.raises(EngineError, match="busy"):
            remove("c")


@pytest.mark.parametrize(
    ("code", "said", "fine"),
    [
        (0, "", True),
        (1, "Error: no container with name or ID c found: no such container", True),
        (125, "Error: database is locked", False),
    ],
)
def test_a_podman_container_that_is_gone(monkeypatch, tmp_path, code, said, fine):
    monkeypatch.setattr(PodmanHome, "_call", lambda *_words: (code, said))
    home = PodmanHome(tmp_path, "podman", Stub(), {}, (), None, False, ())
    if fine:
        home.remove("c")
        return
    with pytest.raises(PlaceFailure, match="database is locked"):
        home.remove("c")


def test_a_private_daemon_that_ends_while_it_is_stopped(monkeypatch):
    daemon = PrivateDocker("tare-test-of-what-is-gone")
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pid = process.pid
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(PrivateDocker, "status", lambda _self: "running")
    monkeypatch.setattr(PrivateDocker, "state", lambda _self: {"pid": pid})
    assert daemon.stop() == [f"the private Docker daemon, pid {pid}"]


# -- CRI ----------------------------------------------------------------------------------------------


@contextmanager
def runtime(path, status):
    """Serve CRI on a socket, and answer every call by the same status."""

    def refuse(_request, context):
        context.abort(status, "the runtime's words")

    class Everything(grpc.GenericRpcHandler):
        def service(self, _details):
            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Everything()])
    server.add_insecure_port(f"unix://{path}")
    server.start()
    try:
        with Cri(str(path)) as cri:
            yield cri
    finally:
        server.stop(None)


def test_pods_and_images_that_a_runtime_does_not_find(tmp_path):
    with runtime(tmp_path / "s", grpc.StatusCode.NOT_FOUND) as cri:
        cri.remove_pod("p")
        cri.remove_image("i")
        with pytest.raises(CriError):
            cri.version()  # not an undo


def test_what_a_runtime_refuses_is_no_success(tmp_path):
    with runtime(tmp_path / "s", grpc.StatusCode.FAILED_PRECONDITION) as cri:
        for remove in (cri.remove_pod, cri.remove_image):
            with pytest.raises(CriError, match="the runtime's words"):
                remove("x")


def test_a_shim_whose_death_the_runtime_has_not_noticed_is_waited_for(monkeypatch):
    answers = [
        CriError("failed to kill container: ttrpc: closed: unknown (UNKNOWN)", absent=False, code="UNKNOWN")
    ] * 2
    called = []

    def call(_self, method, _values):
        called.append(method)
        if answers:
            raise answers.pop()

    monkeypatch.setattr(Cri, "call", call)
    with Cri("/nowhere") as cri:
        cri.remove_pod("p")
    assert called == ["StopPodSandbox"] * 3 + ["RemovePodSandbox"]


def test_the_folder_of_daemons_that_is_gone(tmp_path):
    enclosure = Enclosure("r", tmp_path / "cri", tmp_path)
    enclosure.make_folder()
    enclosure.folder.rmdir()
    enclosure.close()
    enclosure.close()


# -- clusters -----------------------------------------------------------------------------------------


def kubectl(tmp_path, *answers):
    """Stand in for kubectl by a script that fails with each of these words in turn, then succeeds; it logs its calls."""
    log = tmp_path / "calls"
    (tmp_path / "answers").write_text("".join(f"{one}\n" for one in answers))
    program = tmp_path / "kubectl"
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{log}\ncd {tmp_path}\nread -r said <answers || exit 0\n'
        'sed -i 1d answers\necho "$said" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    tool = Stub(argv=lambda *words: (str(program), *words), environ={})
    return Kubectl(tool), log


UNDOS = pytest.mark.parametrize(
    "undo",
    [lambda one: remove_namespace(one, "n"), lambda one: remove_pod(one, "n", "p")],
    ids=["namespace", "pod"],
)


@UNDOS
def test_what_a_cluster_does_not_find(tmp_path, undo):
    undo(kubectl(tmp_path, 'Error from server (NotFound): namespaces "n" not found')[0])


@UNDOS
def test_what_somebody_else_is_removing_is_waited_for(tmp_path, undo):
    one, log = kubectl(tmp_path, "Error from server (Conflict): it is being deleted already")
    undo(one)
    deleted, waited = log.read_text().splitlines()
    assert deleted.startswith("delete")
    assert waited.startswith("wait")
    assert "--for=delete" in waited
    assert "grace" not in waited


@UNDOS
def test_what_a_cluster_refuses_is_no_success(tmp_path, undo):
    with pytest.raises(ClusterError, match="Forbidden"):
        undo(kubectl(tmp_path, "Error from server (Forbidden): no")[0])


# -- the kernel's things ------------------------------------------------------------------------------


def test_a_mount_that_is_gone(tmp_path):
    unmount(str(tmp_path))
    unmount(str(tmp_path / "nothing"))


@ROOT
def test_a_mount_that_is_there_goes_and_may_be_gone_then(tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path], check=True)
    (tmp_path / "file").touch()
    unmount(str(tmp_path))
    assert not (tmp_path / "file").exists()
    unmount(str(tmp_path))


class Group(Duck):
    """A cgroup's folder whose removal the kernel refuses with these errors, one after the other."""

    def __init__(self, *refusals):
        self.refusals = list(refusals)

    def rmdir(self):
        if self.refusals:
            raise OSError(self.refusals.pop(0), "the kernel's words")


def cgroup(*refusals):
    return Cgroup("r", "n", "v2", {"unified": Group(*refusals)})


@pytest.mark.parametrize("gone", [errno.ENOENT, errno.ENODEV])
def test_a_cgroup_that_is_gone(gone):
    remove_group(Group(gone))
    assert cgroup(gone).remove() == []


def test_a_busy_cgroup_is_tried_again(monkeypatch):
    busy = [errno.EBUSY] * 3
    remove_group(Group(*busy), 5.0)
    monkeypatch.setattr(Cgroup, "kill", lambda _self: True)
    one = cgroup(*busy)
    discard(one)
    assert one.all_folders[0].refusals == []


@pytest.mark.parametrize("refusal", [errno.EBUSY, errno.EPERM])
def test_a_cgroup_that_stays_is_no_success(refusal):
    with pytest.raises(OSError, match="the kernel's words"):
        remove_group(Group(*[refusal] * 999), 0.001)


@pytest.mark.parametrize(
    "said",
    [
        'Cannot find device "x"',
        'Cannot remove namespace file "/run/netns/x": No such file or directory',
        "RTNETLINK answers: No such device",
    ],
)
def test_devices_and_namespaces_that_ip_does_not_find(monkeypatch, said):
    answer = lambda *_args, **_more: Stub(returncode=1, stderr=said)  # noqa: E731
    monkeypatch.setattr(subprocess, "run", answer)
    links.ip("link", "delete", "x", undo=True)
    with pytest.raises(PlaceFailure):
        links.ip("link", "show", "x")


def test_what_ip_refuses_is_no_success(monkeypatch):
    answer = lambda *_args, **_more: Stub(returncode=2, stderr="Operation not permitted")  # noqa: E731
    monkeypatch.setattr(subprocess, "run", answer)
    with pytest.raises(PlaceFailure, match="not permitted"):
        links.ip("link", "delete", "x", undo=True)


def test_a_link_to_a_process_that_has_ended():
    link.disconnect(0, "tare-nothing0")


def test_a_bridge_whose_namespace_is_gone():
    bridge = Bridge.__new__(Bridge)
    bridge._namespace = "tare-nothing-like-it"
    bridge.close()


def test_a_process_that_has_ended():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pid = process.pid
    assert await_end(pid, 1.0)
    cleanup._kill(pid, "r")


@pytest.mark.parametrize("deep", [".", "a/b"])
def test_a_tree_that_is_gone(tmp_path, deep):
    remove_tree(tmp_path / "tree" / deep)


def test_a_tree_from_which_somebody_else_removes_meanwhile(tmp_path, monkeypatch):
    tree = tmp_path / "tree"
    for name in "abc":
        (tree / name).mkdir(parents=True)
        (tree / name / "file").touch()
    unlink = os.unlink

    def twice(name, **options):
        unlink(name, **options)
        unlink(name, **options)

    monkeypatch.setattr(os, "unlink", twice)
    remove_tree(tree)
    assert not tree.exists()


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.EPERM])
def test_what_cleanup_finds_gone_is_neither_removed_nor_failed(number):
    removed: list[str] = []
    failures: list[str] = []

    def act():
        raise OSError(number, "the kernel's words")

    cleanup._attempt("thing", act, removed, failures)
    assert removed == []
    assert failures == (["thing: the kernel's words"] if number == errno.EPERM else [])


def test_a_named_namespace_that_is_gone(tmp_path):
    cleanup._remove_namespace(tmp_path / "gone")


def test_daemons_mounts_that_are_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(private, "mounts_below", lambda folder: [str(folder / "gone")])
    private._remove(tmp_path / "nothing")
