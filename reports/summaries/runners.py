"""Put runners into display order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.record import BASE, CONTROL

if TYPE_CHECKING:
    from tare.results.record import Trial


RANK = (BASE, CONTROL, "namespaces", "bubblewrap", "crun", "youki", "runc", "runsc", "lxc", "systemd-nspawn")
"""Display order: the base, then from the lightest kind of box to the heaviest; what is not here follows
by its name, guests last."""


LADDER = (
    "chroot", "mount", "overlayfs", "pid", "uts+ipc", "user", "net", "net-bridge", "net-nat", "cgroup:cpu",
    "cgroup:cpuset", "cgroup:memory", "cgroup:pids", "cgroup:io", "cgroup", "caps", "seccomp",
)  # fmt: skip
"""Display order of the rungs of ``namespaces``; a runner without one, the full container, follows."""


def series_name(trial: Trial) -> str:
    """The runner's label; the base's second measurement has a name of its own."""
    return CONTROL if trial.control else trial.runner


def rank(runner: str) -> tuple[int, str]:
    """Sort key of a runner's label for display."""
    name, _, variant = runner.partition("(")[0].partition(":")
    if name in RANK:
        rung = variant.removeprefix("+")
        return RANK.index(name), f"{LADDER.index(rung):02}" if rung in LADDER else runner
    return len(RANK) + name.startswith(("qemu", "firecracker", "cloud-hypervisor", "kata")), runner
