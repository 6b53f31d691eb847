"""Suggest what lets containers start where the kernel refuses one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.host.files import mount_points

if TYPE_CHECKING:
    from tare.runners.errors import TareError


def remedy(error: TareError, *, user: bool) -> str:
    """Suggest what would lift the refusal, from the host's settings."""
    if "EINVAL" in str(error) and not any(mount.point == "/" for mount in mount_points()):
        return say(
            "remedy.root_no_mount",
            "the root folder is not a mount point here, as in a chroot: bind it to itself (mount --bind DIR DIR) before the chroot",
        )
    if not user:
        return say("remedy.sys_admin", "run where CAP_SYS_ADMIN is given: not in an unprivileged container")
    for name, bad, command in (
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ):
        try:
            if Path("/proc/sys", name).read_text("ascii").strip() == bad:
                return say("remedy.sysctl_or_root", "as root: `{command}`, or run as root", command=command)
        except OSError:
            continue
    if "overlay" in str(error):
        return say(
            "remedy.overlay_or_root",
            "overlayfs in a user namespace needs Linux 5.11 or later; or run as root",
        )
    return say("remedy.run_root", "run as root")
