"""Name a run's namespace in a cluster, and remove it with everything in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tare.results.said import say
from tare.runners.containers.kubernetes.kubectl import ClusterError, Kubectl
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision


def namespace_of(run: str) -> str:
    """Compose the name of a run's Kubernetes namespace, a DNS label (RFC 1123)."""
    return re.sub(r"[^a-z0-9-]", "-", f"tare-{run}".lower())[:40].strip("-")


def remove_namespace(kubectl: Kubectl, namespace: str) -> None:
    """Remove a run's namespace and wait until it is gone. Idempotent."""
    kubectl.undo("delete", "namespace", namespace, seconds=120)


def clear_kubernetes(where: str, run: str) -> list[str]:
    """Remove a run's namespace from a cluster.

    Args:
        where: ``CONTEXT@KUBECONFIG``.
        run: the run id.

    Returns:
        One phrase for each thing removed.

    Raises:
        ClusterError: the cluster does not answer or refuses.
    """
    context, _, kubeconfig = where.partition("@")
    files = [Path(each) for each in kubeconfig.split(os.pathsep) if each]
    if files and not any(file.exists() for file in files):
        return []  # a test cluster, gone with its files
    tool = Provision(default_cache(), offline=True).here("kubectl")
    if tool is None:
        raise ClusterError(
            say("kubernetes.kubectl_gone", "kubectl is no longer installed"),
            remedy=say("remedy.install_kubectl", "apt-get install kubernetes-client"),
        )
    kubectl = Kubectl(tool, kubeconfig, context)
    namespace = namespace_of(run)
    if not kubectl.run("get", "namespace", namespace, "--ignore-not-found"):
        return []
    remove_namespace(kubectl, namespace)
    return [say("removed.namespace", "namespace {name} in Kubernetes", name=namespace)]
