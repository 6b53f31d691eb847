"""A containerd of Tare's own, for one run or one test cluster: see :mod:`tare.runners.containers.cri.enclosure` for what holds it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tare.runners.containers.cri.client import Cri
from tare.runners.containers.cri.errors import CriError
from tare.runners.errors import PlaceFailure
from tare.runners.images.layers import layer_of
from tare.runners.images.oci import OciImage
from tare.runners.native.build import build
from tare.runners.provision.tools import Provision

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

    from tare.runners.containers.cri.enclosure import Enclosure

START_SECONDS = 60.0
IMPORT_SECONDS = 300.0
SOCKET = "containerd.sock"
PAUSE_SOURCE = Path(__file__).with_name("pause.c")
PAUSE_TAG = "localhost/tare-pause:1"
POD_NETWORK = "10.88.0.0/16"
"""In a net namespace of its own, where nothing else can have it."""
NAMESPACE = "k8s.io"
"""containerd's, in which CRI keeps its images and containers."""

_PLUGIN_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin")
_NEEDED = ("containerd-shim-runc-v2", "runc")
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def programs_root(provision: Provision) -> Path:
    """``/`` if the system has containerd and all that it calls, else the root of the fetched packages.

    Raises:
        Missing: neither, and why.
    """
    if provision.use_system and not missing_programs():
        return provision.tool("containerd").root
    return (
        Provision(provision.cache, provision.offline, provision.progress, use_system=False)
        .tool("containerd")
        .root
    )


def missing_programs(root: Path = Path("/")) -> list[str]:
    """What containerd would call and not find on this host."""
    folders = [root / folder.lstrip("/") for folder in _SYSTEM_FOLDERS]
    lost = [name for name in ("containerd", *_NEEDED) if not any((each / name).exists() for each in folders)]
    plugins = [root / folder.lstrip("/") for folder in _PLUGIN_FOLDERS]
    return lost + ([] if any((each / "bridge").exists() for each in plugins) else ["CNI's plugin bridge"])


def configure(enclosure: Enclosure) -> tuple[str, ...]:
    """Write containerd's configuration into the folder; returns the command line that starts it in there."""
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
    """Wait until containerd answers; returns its client.

    Raises:
        PlaceFailure: it does not; the text has the end of its log.
    """
    cri = Cri(str(enclosure.folder / SOCKET))

    def complaint() -> str:
        if not Path(cri.path).exists():  # or the client would wait a second before it tries again
            return f"there is no {cri.path}"
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


def import_image(ctr: tuple[str, ...], environ: Mapping[str, str], socket: str, archive: IO[bytes]) -> None:
    """Load an archive where CRI finds it.

    Args:
        ctr: the start of ``ctr``'s command line.
        environ: what it needs in its environment.
        socket: containerd's.
        archive: open at its begin.

    Raises:
        PlaceFailure: ``ctr`` failed; the text has its words.
    """
    command = [*ctr, "--address", socket, "--namespace", NAMESPACE, "images", "import", "-"]
    try:
        done = subprocess.run(
            command, env=dict(environ), stdin=archive, capture_output=True, text=True, errors="replace",
            check=False, timeout=IMPORT_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlaceFailure(f"the image cannot be loaded: {error}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise PlaceFailure(f"`ctr images import` at {socket}: {lines[-1]}", log=done.stderr)


def write_pause(cache: Path, to: IO[bytes]) -> None:
    """Write the archive of the image that pods' first processes are from."""
    with tempfile.TemporaryDirectory(prefix="tare-pause-", dir=cache) as temporary:
        program = Path(temporary, "pause")
        program.write_bytes(build(PAUSE_SOURCE, cache).read_bytes())
        program.chmod(0o755)
        OciImage((layer_of("pause", Path(temporary)),), PAUSE_TAG, entrypoint=("/pause",)).write_archive(to)


def _network(folder: Path) -> dict[str, object]:
    """A bridge in the daemons' net namespace, as most clusters have one on each node; no way out of it."""
    ranges = {"ranges": [[{"subnet": POD_NETWORK}]], "dataDir": str(folder / "addresses")}
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}], **ranges},
    }
    return {"cniVersion": "0.4.0", "name": "tare", "plugins": [bridge]}


def _settings(folder: Path, plugins: str) -> str:
    """``restrict_oom_score_adj``: root without CAP_SYS_RESOURCE may not lower it, and a pod's is negative."""
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
