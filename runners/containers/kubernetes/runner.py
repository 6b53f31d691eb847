"""Run pods by ``kubectl run -i --rm …`` in the cluster of the user's kubeconfig.

Everything that a run makes is in the namespace ``tare-<run>``, which is removed as a whole. The image has to be on the
node: if the node is this host (it reports the same boot id), the image is loaded into the node's containerd; for other
clusters the setting ``kubernetes.image`` names one that the nodes can pull.

If the node is this host, the agent's clock is the host's; otherwise it is mapped, like a guest's.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.results.environment import EngineFacts
from tare.results.said import say
from tare.runners.containers.cri.images import NAMESPACE as CRI_NAMESPACE
from tare.runners.containers.cri.images import REMOVE_SECONDS, import_image
from tare.runners.containers.engines.clearing import repository
from tare.runners.containers.engines.container import Terms
from tare.runners.containers.engines.place import EnginePlace, Observer
from tare.runners.containers.kubernetes.clearing import namespace_of, remove_namespace
from tare.runners.containers.kubernetes.kubectl import PROBE_SECONDS, REMEDY, ClusterError, Kubectl
from tare.runners.containers.kubernetes.watch import PodWatch
from tare.runners.errors import PlaceFailure, not_prepared
from tare.runners.host.home import home_folder
from tare.runners.host.owners import note_engine
from tare.runners.host.processes import boot_id
from tare.runners.host.programs import run_quietly
from tare.runners.images.oci import of_image
from tare.runners.model import Job, Probe
from tare.runners.places.commanded import CommandPlan, agent_argv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.results.record import Accelerator
    from tare.runners.context import RunContext, Supplies
    from tare.runners.images.image import Image
    from tare.runners.model import Limits
    from tare.runners.provision.tools import Provision, Tool

HELLO_SECONDS = 90.0
"""Time limit for the agent's first message."""
LEAVE_SECONDS = 60.0
"""Time limit for the pod's removal from the cluster."""
NODE_SOCKETS = ("/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock")
"""Sockets of the node's containerd in common distributions of Kubernetes."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    kubectl: Kubectl
    watch: PodWatch
    image: str
    same_host: bool
    terms: Terms


class Kubernetes:
    """See :class:`tare.runners.context.Runner`."""

    name = label = "kubernetes"
    accelerator: Accelerator = "none"

    def __init__(
        self,
        context: RunContext,
        provision: Provision,
        *,
        image: str = "",
        socket: str = "",
        sockets: tuple[str, ...] = NODE_SOCKETS,
    ) -> None:
        """Make the runner without asking the cluster anything yet.

        Args:
            context: the run's.
            provision: provides kubectl.
            image: reference of an image that the nodes can pull and that contains the suite's; empty: load the image.
            socket: path of the node's containerd socket on this host; empty: the first of ``sockets`` that exists.
            sockets: usual paths of that socket.
        """
        self._context, self._provision = context, provision
        self._image, self._sockets = image, (socket,) if socket else sockets
        self.namespace = namespace_of(context.run) if context else ""
        self._numbers = itertools.count()
        self._undo = ExitStack()
        self._prepared: _Prepared | None = None

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`."""
        if not (os.environ.get("KUBECONFIG") or _has_kubeconfig()):
            return Probe(
                ok=False, reason=say("container.no_kubeconfig", "there is no kubeconfig"), remedy=REMEDY
            )
        tool = self._provision.here("kubectl")
        if tool is None:
            return Probe(
                ok=False,
                reason=say("container.kubectl_not_installed", "kubectl is not installed"),
                remedy=say("remedy.install_kubectl", "apt-get install kubernetes-client"),
            )
        try:
            node = chosen_node(Kubectl(tool), PROBE_SECONDS)
        except ClusterError as error:
            return Probe(ok=False, reason=error.reason, remedy=REMEDY)
        facts = EngineFacts(engine=_engine(node), same_host=is_this_host(node), client=_client(tool))
        if refusal := self._no_image(node):
            return Probe(ok=False, reason=refusal[0], remedy=refusal[1], facts=facts)
        return Probe(ok=True, facts=facts)

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`. Ends with one unmeasured opening, to show that everything works."""
        self.close()
        try:
            self._prepare(image, limits)
            with self.open() as place:
                place.run(Job())
                assert self._prepared is not None  # noqa: S101 - see _prepare
                terms = replace(self._prepared.terms, achieved=place.cgroup)
                self._prepared = replace(self._prepared, terms=terms)
        except BaseException:
            self.close()
            raise

    def _prepare(self, image: Image, limits: Limits) -> None:
        context = self._context
        tool = self._provision.tool("kubectl")
        kubectl = Kubectl(tool, context=Kubectl(tool).run("config", "current-context").strip())
        node = chosen_node(kubectl)
        if refusal := self._no_image(node):
            raise PlaceFailure(refusal[0], remedy=refusal[1])
        kubeconfig = os.environ.get("KUBECONFIG", "")
        note_engine(context.cache, context.run, f"kubernetes:{kubectl.context}@{kubeconfig}")
        kubectl.run("create", "namespace", self.namespace)
        self._undo.callback(remove_namespace, kubectl, self.namespace)
        tag = self._image or self._load(image)
        watch = self._undo.enter_context(PodWatch(kubectl, self.namespace, context.run))
        self._prepared = _Prepared(
            kubectl=kubectl,
            watch=watch,
            image=tag,
            same_host=is_this_host(node),
            terms=Terms(
                limits,
                {
                    "kernel": node["status"]["nodeInfo"]["kernelVersion"],
                    "root": "the node's snapshot",
                    "network": "pod network of the cluster",
                    "scratch_file_system": "the node's, as an emptyDir",
                    "user_namespace": False,
                    "engine": _engine(node),
                },
            ),
        )

    def open(self, first: Job | None = None) -> EnginePlace:
        """See :class:`tare.runners.context.Runner`."""
        made = self._prepared
        if made is None:
            raise not_prepared(self.name)
        run = self._context.run
        name = f"{self.name}-{next(self._numbers)}"
        pod = f"{self.namespace}-{name}"[-63:].strip("-.")
        agent = agent_argv("/tare-agent", run, name, speaks_first=False)
        overrides = pod_of(pod, made.image, agent, made.terms.limits, run, loaded=not self._image)
        plan = CommandPlan(
            context=self._context,
            name=name,
            launcher=self._context.launcher,
            limits=made.terms.limits,
            root="/",
            scratch="/scratch",
            facts=made.terms.facts,
            host_address=None,
            what="kubectl run",
            argv=made.kubectl.argv(
                *("run", pod, "--namespace", self.namespace, "--stdin", "--rm", "--wait", "--quiet"),
                *("--restart", "Never", "--pod-running-timeout", f"{HELLO_SECONDS:.0f}s"),
                *("--image", made.image, "--overrides", json.dumps(overrides)),
            ),
            environ=made.kubectl.environ,
            expected_cgroup=made.terms.expected_cgroup(run, name) if first else None,
            speaks_first=False,
            same_clock=made.same_host,
            hello_seconds=HELLO_SECONDS,
            leave_seconds=LEAVE_SECONDS,
            undo=lambda: remove_pod(made.kubectl, self.namespace, pod),
        )
        observer = Observer(
            events=lambda _since, _until: made.watch.events(pod),
            source="pod watch",
            ailing=lambda: _ailing(made.kubectl),
            cgroup=made.terms.described,
        )
        return EnginePlace(plan, first, observer)

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._prepared = None
        self._undo.close()

    def _no_image(self, node: Mapping[str, Any]) -> tuple[str, str] | None:
        """Say why the node cannot get the suite's image, and give a remedy; ``None``: it can."""
        if self._image:
            return None
        remedy = say(
            "remedy.kubernetes_image",
            "push the image to where the nodes can pull it, and name it: `--kubernetes-image REFERENCE`",
        )
        if not is_this_host(node):
            return say(
                "kubernetes.other_machine",
                "the cluster's node is another machine, where the image cannot be loaded",
            ), remedy
        if self._socket() is None:
            return (
                say("kubernetes.no_socket", "the node's containerd is at none of {sockets}", sockets=", ".join(self._sockets)),
                say("remedy.kubernetes_socket", "name its socket: `--kubernetes-containerd PATH`; or {remedy}", remedy=remedy),
            )  # fmt: skip
        if not os.access(str(self._socket()), os.W_OK):
            return (
                say("kubernetes.forbidden", "this user may not use {socket}", socket=self._socket()),
                say("remedy.root_or", "run as root; or {remedy}", remedy=remedy),
            )
        return None

    def _socket(self) -> str | None:
        return next((each for each in self._sockets if Path(each).exists()), None)

    def _load(self, image: Image) -> str:
        """Load the image into the node's containerd, and return its reference."""
        context, socket = self._context, self._socket()
        assert socket is not None  # noqa: S101 - _no_image looked
        ctr = self._provision.tool("ctr")
        tag = f"localhost/{repository(context.run)}:{image.key[:12]}"
        note_engine(context.cache, context.run, f"cri:{socket}")
        self._undo.callback(_remove_image, ctr, socket, tag)
        with tempfile.TemporaryFile(dir=context.workdir) as archive:
            of_image(image, tag).write_archive(archive)
            archive.seek(0)
            import_image(ctr, socket, archive)
        return tag


def make(supplies: Supplies, _name: str) -> Kubernetes:
    """Make the runner for the registry."""
    given = supplies.settings.kubernetes
    return Kubernetes(supplies.context, supplies.provision, image=given.image, socket=given.containerd)


def pod_of(
    name: str, image: str, agent: tuple[str, ...], limits: Limits, run: str, *, loaded: bool
) -> dict[str, object]:
    """Compose the pod for ``--overrides``, completely, since kubectl replaces whole containers."""
    resources: dict[str, str] = {"memory": str(limits.memory_bytes)}
    if limits.cpus < (os.cpu_count() or 1):
        resources["cpu"] = str(limits.cpus)
    container = {
        "name": name,
        "image": image,
        "imagePullPolicy": "Never" if loaded else "IfNotPresent",
        "command": list(agent),
        "env": [{"name": "TARE_RUN", "value": run}],
        "stdin": True,
        "stdinOnce": True,
        "resources": {"limits": resources, "requests": resources},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    return {
        "apiVersion": "v1",
        "metadata": {"labels": {"tare.run": run[:63]}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "restartPolicy": "Never",
            "hostname": "tare",
            "containers": [container],
            "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": str(limits.scratch_bytes)}}],
        },
    }


def chosen_node(kubectl: Kubectl, seconds: float = 10.0) -> Mapping[str, Any]:
    """Choose a node that is ready, this host if it is one.

    Raises:
        ClusterError: the cluster does not answer, or none of its nodes is ready.
    """
    nodes = (
        kubectl.ask("get", "nodes", "--request-timeout", f"{seconds:.0f}s", seconds=seconds + 1).get("items")
        or []
    )
    for node in sorted(nodes, key=lambda each: not is_this_host(each)):
        ready = {each["type"]: each["status"] for each in node["status"].get("conditions") or ()}.get("Ready")
        if ready == "True":
            found: Mapping[str, Any] = node
            return found
    raise ClusterError(
        say(
            "kubernetes.no_node",
            "the cluster has {count} nodes, and none is ready",
            count=len(nodes),
        ),
        remedy=say("remedy.describe_nodes", "kubectl describe nodes"),
    )


def is_this_host(node: Mapping[str, Any]) -> bool:
    """Tell whether a node is this host, by its boot id."""
    return bool(boot_id()) and node["status"]["nodeInfo"].get("bootID") == boot_id()


def remove_pod(kubectl: Kubectl, namespace: str, pod: str) -> None:
    """Remove a pod at once. Does nothing if it is gone."""
    kubectl.undo("delete", "pod", pod, "--namespace", namespace, "--grace-period=1", seconds=60)


def _remove_image(ctr: Tool, socket: str, tag: str) -> None:
    command = ctr.argv("--address", socket, "--namespace", CRI_NAMESPACE, "images", "rm", tag)
    with suppress(
        OSError, subprocess.SubprocessError
    ):  # the run's registration makes a later start remove it
        run_quietly(command, env=ctr.environ, timeout=REMOVE_SECONDS)


def _has_kubeconfig() -> bool:
    home = home_folder()
    return home is not None and (home / ".kube" / "config").exists()


def _engine(node: Mapping[str, Any]) -> str:
    """Give the versions of the node's kubelet and container runtime."""
    info = node["status"]["nodeInfo"]
    return f"Kubernetes {info['kubeletVersion']}, {info['containerRuntimeVersion']}"


def _client(tool: Tool) -> str:
    """Pick the version out of the line that kubectl prints."""
    found = re.search(r"v\d+\.\d+\.\d+[^\s\",]*", tool.version)
    return f"kubectl {found[0]}" if found else tool.version


def _ailing(kubectl: Kubectl) -> tuple[str, str] | None:
    try:
        kubectl.run("get", "--raw", "/readyz", seconds=PROBE_SECONDS)
    except ClusterError as error:
        return error.reason, REMEDY
    return None
