"""Bring up a Kubernetes cluster of one node for tests, and remove it without a trace.

Everything, etcd, API server, controllers, scheduler, kubelet and containerd, runs in one enclosure
(:mod:`tare.runners.containers.cri.enclosure`), reached through a pair of network devices. The kubelet requires certain
values of six sysctls, so files with these values are bound over them in the enclosure; the host's stay as they are.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tare.results.said import listed, say
from tare.runners.containers.cri.enclosure import Enclosure, run_cgroups
from tare.runners.containers.cri.images import import_image, write_pause
from tare.runners.containers.cri.private import SOCKET, await_ready, configure, fetching, programs_root
from tare.runners.containers.kubernetes.kubectl import ClusterError, Kubectl
from tare.runners.errors import PlaceFailure
from tare.runners.host.links import free_networks, ip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.runners.provision.tools import Provision, Tool

NODE = "tare"
"""Name of the node."""
START_SECONDS = 180.0
"""Time limit for the API server, and again for the node, to be ready."""
SYSCTLS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""Values that a kubelet sets (``setupKernelTunables`` of its container manager)."""
CONTROLLERS = (
    "namespace",
    "serviceaccount",
    "serviceaccount-token",
    "nodelifecycle",
    "podgc",
    "garbagecollector",
)
"""Needed controllers: without them namespaces stay, pods wait for a service account, and nodes stay tainted."""


@dataclass(slots=True)
class Cluster:
    """Cluster of one node. Entering the context brings it up, in about ten seconds; leaving it removes everything."""

    run: str
    """Run id, which names everything made on the host; the run must be registered."""
    workdir: Path
    provision: Provision
    programs: Path
    """Folder of the server programs, see :func:`tare.runners.containers.kubernetes.build.servers`."""
    _enclosure: Enclosure = field(init=False)
    _address: str = field(init=False, default="")
    _interface: str = field(init=False, default="")
    _token: str = field(init=False, default_factory=lambda: secrets.token_hex(16))

    @property
    def kubeconfig(self) -> Path:
        """Path of the cluster's kubeconfig."""
        return self._enclosure.folder / "kubeconfig"

    @property
    def containerd(self) -> Path:
        """Path of the node's containerd socket, for loading images."""
        return self._enclosure.folder / SOCKET

    @property
    def kubectl(self) -> Kubectl:
        """Client of the same version as the cluster."""
        return Kubectl(self._fetched("kubectl"), str(self.kubeconfig))

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the cluster. Idempotent."""
        try:
            if self._interface:
                ip("link", "delete", self._interface, undo=True)
                self._interface = ""
        finally:
            self._enclosure.close()

    def _start(self) -> None:
        self._enclosure = Enclosure(self.run, self.workdir / "cluster", programs_root(self.provision))
        network = next(free_networks(self.run), None)
        if network is None:
            raise PlaceFailure(say("container.networks_in_use", "all networks 10.192.0.0/10 are in use here"))
        self._address = str(network[2])
        self._enclosure.make_folder()
        for folder in run_cgroups(self.run):
            with suppress(OSError):
                folder.mkdir(exist_ok=True)
        self._write_files()

        def connect(pid: int) -> None:
            self._interface = "tare" + hashlib.sha256(self.run.encode()).hexdigest()[:8]
            ip("link", "add", self._interface, "type", "veth", "peer", "name", "host", "netns", str(pid))
            ip("address", "add", f"{network[1]}/{network.prefixlen}", "dev", self._interface)
            ip("link", "set", self._interface, "up")
            inside = ("nsenter", f"--net=/proc/{pid}/ns/net", "ip")
            for words in (("address", "add", f"{self._address}/{network.prefixlen}", "dev", "host"),
                          ("link", "set", "host", "up"),
                          ("route", "add", "default", "via", str(network[1]))):  # fmt: skip
                subprocess.run([*inside, *words], check=True, stdin=subprocess.DEVNULL)

        # The controller manager, the scheduler and the kubelet are held: without a server they would end.
        self._enclosure.start(*self._daemons(), held=3, connect=connect)
        with await_ready(self._enclosure), tempfile.TemporaryFile() as archive:
            write_pause(self.provision.cache, archive)
            archive.seek(0)
            ctr = self._fetched("ctr")
            import_image(ctr, str(self.containerd), archive)
        self._enclosure.await_ready(
            self._no_server, START_SECONDS, say("kubernetes.api_server", "the API server")
        )
        self._enclosure.release(3)
        self._enclosure.await_ready(self._complaint, START_SECONDS, say("kubernetes.cluster", "the cluster"))

    def _fetched(self, name: str) -> Tool:
        """Fetch a tool even if the system has one, since clients and servers have to be of the same age."""
        return fetching(self.provision).tool(name)

    def _no_server(self) -> str:
        try:
            self.kubectl.run("get", "--raw", "/readyz")
        except ClusterError as error:
            return error.reason
        return ""

    def _complaint(self) -> str:
        """Say why the node is not ready; empty if it is."""
        try:
            node = self.kubectl.ask("get", "node", NODE)
            self.kubectl.ask("get", "serviceaccount", "default")
        except ClusterError as error:
            return error.reason
        status = {each["type"]: each for each in node["status"].get("conditions", ())}
        ready = status.get("Ready", {})
        if ready.get("status") != "True":
            return str(ready.get("message") or say("kubernetes.not_ready", "the node is not ready"))
        taints = node["spec"].get("taints") or ()
        return listed(
            say("kubernetes.marked", "the node is marked {key}", key=each["key"]) for each in taints
        )

    def _write_files(self) -> None:
        folder = self._enclosure.folder
        (folder / "tokens").write_text(f"{self._token},tare,tare,system:masters\n", "utf-8")
        (folder / "tokens").chmod(0o600)
        cluster = {"server": f"https://{self._address}:6443", "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tare", "cluster": cluster}],
            "users": [{"name": "tare", "user": {"token": self._token}}],
            "contexts": [{"name": "tare", "context": {"cluster": "tare", "user": "tare"}}],
            "current-context": "tare",
        }
        self.kubeconfig.write_text(json.dumps(config), "utf-8")
        self.kubeconfig.chmod(0o600)
        (folder / "kubelet.json").write_text(json.dumps(self._kubelet()), "utf-8")
        subprocess.run(
            ["openssl", "genrsa", "-out", str(folder / "accounts.key"), "2048"],
            check=True, capture_output=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        for name, value in SYSCTLS.items():
            (folder / "sysctl").mkdir(exist_ok=True)
            (folder / "sysctl" / name.replace("/", ".")).write_text(f"{value}\n", "ascii")

    def _kubelet(self) -> Mapping[str, Any]:
        """Compose the KubeletConfiguration. Only the host can reach the kubelet, so it needs no certificates."""
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/tare-{self.run}",
            "enforceNodeAllocatable": [],
            "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
            "imageGCHighThresholdPercent": 100,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "oomScoreAdj": 0,
            "resolvConf": "",
            "healthzPort": 0,
        }

    def _daemons(self) -> list[tuple[str | Path, ...]]:
        folder, programs = self._enclosure.folder, self.programs
        etcd = self._fetched("etcd").path
        config = f"--kubeconfig={self.kubeconfig}"
        return [
            configure(self._enclosure),
            (etcd, f"--data-dir={folder}/etcd", "--log-level=warn", "--unsafe-no-fsync"),
            (
                *(
                    programs / "kube-apiserver",
                    "--etcd-servers=http://127.0.0.1:2379",
                    f"--cert-dir={folder}/certs",
                ),
                *(f"--token-auth-file={folder}/tokens", f"--advertise-address={self._address}"),
                *(
                    "--authorization-mode=Node,RBAC",
                    "--service-cluster-ip-range=10.96.0.0/16",
                    "--allow-privileged",
                ),
                *("--service-account-issuer=tare", f"--service-account-key-file={folder}/accounts.key"),
                *(
                    f"--service-account-signing-key-file={folder}/accounts.key",
                    "--kubelet-preferred-address-types=InternalIP",
                ),
            ),
            (
                *(programs / "kube-controller-manager", config, "--leader-elect=false", "--port=0"),
                *("--secure-port=0", f"--controllers={','.join(CONTROLLERS)}"),
                f"--service-account-private-key-file={folder}/accounts.key",
            ),
            (programs / "kube-scheduler", config, "--leader-elect=false", "--port=0", "--secure-port=0"),
            (
                *(
                    programs / "kubelet",
                    config,
                    f"--config={folder}/kubelet.json",
                    f"--root-dir={folder}/kubelet",
                ),
                *("--container-runtime=remote", f"--container-runtime-endpoint=unix://{self.containerd}"),
                *(
                    f"--hostname-override={NODE}",
                    f"--node-ip={self._address}",
                    f"--cert-dir={folder}/kubelet-certs",
                ),
                f"--volume-plugin-dir={folder}/plugins",
            ),
        ]
