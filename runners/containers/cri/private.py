"""Configure and start a private containerd for one run or one test cluster.

:mod:`tare.runners.containers.cri.enclosure` isolates it from the host.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.containers.cri.client import Cri
from tare.runners.containers.cri.errors import CriError
from tare.runners.containers.cri.images import PAUSE_TAG
from tare.runners.provision.tools import Provision

if TYPE_CHECKING:
    from tare.runners.containers.cri.enclosure import Enclosure

START_SECONDS = 60.0
"""Time limit for containerd to answer."""
SOCKET = "containerd.sock"
POD_NETWORK = "10.88.0.0/16"
"""Addresses of pods. The network namespace is private, so nothing else can use them."""

_PLUGIN_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin")
_NEEDED = ("containerd-shim-runc-v2", "runc")
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def fetching(provision: Provision) -> Provision:
    """Make a provision that passes over the system's tools: clients and daemons have to be of the same age."""
    return Provision(provision.cache, provision.offline, provision.progress, use_system=False)


def programs_root(provision: Provision) -> Path:
    """Choose where containerd's programs come from.

    Returns:
        ``/`` if the system has containerd and everything it calls, else the root of the fetched packages.

    Raises:
        Missing: neither is to be had; the message says why.
    """
    chosen = provision if provision.use_system and not missing_programs() else fetching(provision)
    return chosen.tool("containerd").root


def missing_programs(root: Path = Path("/")) -> list[str]:
    """List what containerd needs and would not find below ``root``."""
    folders = [root / folder.lstrip("/") for folder in _SYSTEM_FOLDERS]
    lost = [name for name in ("containerd", *_NEEDED) if not any((each / name).exists() for each in folders)]
    plugins = [root / folder.lstrip("/") for folder in _PLUGIN_FOLDERS]
    return lost + (
        []
        if any((each / "bridge").exists() for each in plugins)
        else [say("cri.bridge_plugin", "CNI's plugin bridge")]
    )


def configure(enclosure: Enclosure) -> tuple[str, ...]:
    """Write containerd's configuration into the enclosure's folder, and return its command line."""
    folder, root = enclosure.folder, enclosure.root
    plugins = next(
        (each for each in _PLUGIN_FOLDERS if (root / each.lstrip("/") / "bridge").exists()),
        _PLUGIN_FOLDERS[0],
    )
    for name in ("root", "state", "cni"):
        (folder / name).mkdir()
    (folder / "cni" / "10-tare.conflist").write_text(json.dumps(_network(folder)), "utf-8")
    (folder / "containerd.toml").write_text(_settings(folder, plugins), "utf-8")
    return ("containerd", "--config", str(folder / "containerd.toml"), "--log-level", "warn")


def await_ready(enclosure: Enclosure) -> Cri:
    """Wait until containerd answers, and return a client for it.

    Raises:
        PlaceFailure: it did not answer in time; the message has the end of its log.
    """
    cri = Cri(str(enclosure.folder / SOCKET))

    def complaint() -> str:
        if not Path(cri.path).exists():  # gRPC would wait a second before it tries again
            return say("file.absent", "there is no {path}", path=cri.path)
        try:
            return cri.not_ready()
        except CriError as error:
            return error.reason

    try:
        enclosure.await_ready(complaint, START_SECONDS, "containerd")
    except BaseException:
        cri.close()
        raise
    return cri


def _network(folder: Path) -> dict[str, object]:
    """Describe the pod network to CNI: a bridge per node, as most clusters have it, without a route out."""
    ranges = {"ranges": [[{"subnet": POD_NETWORK}]], "dataDir": str(folder / "addresses")}
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}], **ranges},
    }
    return {"cniVersion": "0.4.0", "name": "tare", "plugins": [bridge]}


def _settings(folder: Path, plugins: str) -> str:
    """Render containerd's configuration file."""
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE even root may not lower the score, and a pod's is negative.
    return f"""version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.opt", "io.containerd.internal.v1.tracing"]
oom_score = 0

[grpc]
address = "{folder}/{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_TAG}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
disable_tcp_service = true
stream_server_address = "127.0.0.1"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{folder}/cni"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""
