"""Define the settings of runners as typed values. Reading them from options, variables and files is the caller's part.

The groups are plain values: nothing is looked up on the host until a runner is made of them.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - plans are converted from JSON by these annotations
from typing import Literal

import msgspec

Accel = Literal["auto", "kvm", "tcg"]

KERNEL_SOURCES = ("host", "cloud", "generic")
"""Kernels that can be asked for by a word: the host's own, and the distribution's for clouds or for any hardware."""


class GuestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of guests. Empty and ``None`` leave the choice to the runner."""

    kernel: str = ""
    """One of :data:`KERNEL_SOURCES`, or the absolute path of a vmlinux or bzImage, possibly compressed with zstd.
    Empty: the best kernel that provisioning finds."""
    modules: Path | None = None
    """Folder laid out as ``/lib/modules/RELEASE``, for a kernel given as a file. ``None``: it has no modules."""
    cmdline: str = ""
    """Extra kernel arguments, put after the suite's own so that they win."""
    firecracker: str = ""
    """Name or path of the Firecracker binary. Empty: ``firecracker`` on ``PATH``."""
    cloud_hypervisor: str = ""
    """Name or path of the Cloud Hypervisor binary. Empty: ``cloud-hypervisor`` on ``PATH``."""
    qemu: Path | None = None
    """QEMU binary. ``None``: the one that provisioning finds."""
    cpu: str = ""
    """QEMU's CPU model. Empty: ``host`` under KVM, ``max`` under TCG."""
    accel: Accel = "auto"
    """Accelerator. One asked for by name is used or the runner refuses; only ``auto`` falls back, and says why."""
    boot_timeout_seconds: float | None = None
    """Seconds from launch to the agent's first word. ``None``: by accelerator."""


class KubernetesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the runner ``kubernetes``. The cluster itself is chosen by ``$KUBECONFIG``."""

    image: str = ""
    """Reference of an image that the nodes can pull and that holds the suite's. Empty: load the suite's image."""
    containerd: str = ""
    """Socket of the node's containerd on this host. Empty: the usual sockets are tried."""


class RunnerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that runners are made with, by group."""

    guest: GuestSettings = msgspec.field(default_factory=GuestSettings)
    kubernetes: KubernetesSettings = msgspec.field(default_factory=KubernetesSettings)
