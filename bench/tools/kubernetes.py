"""Bring up a cluster of one node, check the runner ``kubernetes`` in it, and measure pods beside other places.

``python -m tare.bench.tools.kubernetes [OPTION…]``; the options are those of ``tare run``; ``nox -s kubernetes`` calls
it. It takes the cluster down at the end, on Ctrl-C too, and checks that the host is as it was before.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tare.bench.errors import Exit
from tare.runners import cleanup
from tare.runners.containers.cri.availability import importable
from tare.runners.containers.kubernetes.build import servers
from tare.runners.containers.kubernetes.cluster import SYSCTLS, Cluster
from tare.runners.errors import TareError
from tare.runners.host.programs import run_quietly
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision
from tare.runners.undoing import UndoLog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MEASURED = ("run", "--runners", "bare,namespaces,containerd,kubernetes", "-k", "startup", "--quick")
TESTS = Path(__file__).resolve().parents[2] / "tests/integration/test_kubernetes_live.py"
_WORK = Path("/var/tmp")  # noqa: S108 - where runs have their folders
_FOLDERS = (
    "/var/lib/kubelet",
    "/var/lib/cni",
    "/var/log/pods",
    "/var/log/containers",
    "/run/containerd",
    "/run/netns",
)


def host_state(run: str) -> Mapping[str, object]:
    """Read what a kubelet, CNI or containerd could leave behind or change, except what other runs of the suite use."""
    rules = run_quietly(["iptables-save"]).stdout if _has_iptables() else ""
    return {
        "sysctls": {name: _read(Path("/proc/sys", name)) for name in SYSCTLS},
        "forwarding": _read(Path("/proc/sys/net/ipv4/ip_forward")),
        "interfaces": sorted(
            each.name for each in Path("/sys/class/net").iterdir() if each.name[:4] != "tare"
        ),
        "folders": [folder for folder in _FOLDERS if Path(folder).exists()],
        "firewall": sorted(line for line in rules.splitlines() if line.startswith(("-A", ":KUBE", ":CNI"))),
        "mounts": [
            line for line in _read(Path("/proc/self/mountinfo")).splitlines() if f"tare-{run}" in line
        ],
        "cgroups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/tare-{run}")],
        "work folder": [str(path) for path in _WORK.glob(f"tare-{run}")],
    }


def bring_up_and_measure(options: Sequence[str]) -> int:
    """Test the runner and measure with it.

    Returns:
        The first exit status of the two that is not 0; else 1 if the host changed, 4 if the cluster could not be
        removed, or 0.
    """
    cache = default_cache()
    provision = Provision(cache, progress=lambda line: print(line, file=sys.stderr))  # noqa: T201
    entry = servers(provision)
    run = f"cluster-{uuid.uuid4().hex[:8]}"
    workdir = _WORK / f"tare-{run}"
    before = host_state(run)
    log = UndoLog(provision.progress)
    registered = log.leaving("the cluster's traces on this host", cleanup.register(cache, run, workdir))
    with registered, log.leaving("the cluster", Cluster(run, workdir, provision, entry.path)) as cluster:
        provision.progress(f"Kubernetes {entry.facts['version']} is up: KUBECONFIG={cluster.kubeconfig}")
        tool = cluster.kubectl.tool
        environ = {
            **os.environ,
            "KUBECONFIG": str(cluster.kubeconfig),
            "TARE_KUBERNETES_CONTAINERD": str(cluster.containerd),
            "PATH": f"{tool.path.parent}:{os.environ.get('PATH', os.defpath)}",
        }
        commands = (
            (sys.executable, "-m", "pytest", "-q", str(TESTS)),
            (sys.executable, "-m", "tare", *MEASURED, *options),
        )
        codes = [subprocess.run(command, env=environ, check=False).returncode for command in commands]
    changed = {what: (was, now) for what, now in host_state(run).items() if (was := before[what]) != now}
    for what, (was, now) in changed.items():
        print(f"the host's {what} changed: {was} → {now}", file=sys.stderr)  # noqa: T201
    if not (changed or log.failures):
        provision.progress(f"the cluster is gone; unchanged on the host: {', '.join(before)}")
    left = Exit.SOME_FAILED if log.failures else Exit.OK
    return next((code for code in (*codes, int(bool(changed)), left) if code), 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return what ``tare run`` would, or 3 if the cluster cannot be brought up here."""
    signal.signal(signal.SIGTERM, _leave)
    try:
        _check()
        return bring_up_and_measure(sys.argv[1:] if arguments is None else arguments)
    except TareError as error:
        print(error, getattr(error, "log", ""), sep="\n", file=sys.stderr)  # noqa: T201
        return 3
    except KeyboardInterrupt:
        return 130


def _check() -> None:
    if os.geteuid():
        raise TareError("A node needs root: run `nox -s kubernetes` as root.")
    if not importable():
        raise TareError("The node's containerd is reached by gRPC: pip install 'tarebench[cri]'.")


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _has_iptables() -> bool:
    return shutil.which("iptables-save") is not None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
