"""Run containers by systemd-nspawn.

They are not registered with systemd-machined, so no running systemd is needed. nspawn sets no limits, so Tare makes the
cgroups and starts nspawn in them. Its own system call filter denies less than ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.results.said import say
from tare.runners.containers.oci.config import CAPABILITIES
from tare.runners.places.rooted import RootedRunner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.context import Supplies
    from tare.runners.places.commanded import CommandPlan
    from tare.runners.places.rooted import Making

_DROPPED = tuple(
    f"CAP_{name}"
    for name in (
        *("AUDIT_CONTROL", "DAC_READ_SEARCH", "IPC_OWNER", "LEASE", "LINUX_IMMUTABLE", "MKNOD", "NET_ADMIN"),
        *(
            "NET_BROADCAST",
            "SYS_ADMIN",
            "SYS_BOOT",
            "SYS_NICE",
            "SYS_PTRACE",
            "SYS_RESOURCE",
            "SYS_TTY_CONFIG",
        ),
    )
)
"""Capabilities that nspawn would keep and our full container drops."""


class Nspawn(RootedRunner):
    """See :class:`tare.runners.context.Runner`."""

    tool_name = "systemd-nspawn"
    for_users = False

    def complete(self, plan: CommandPlan, making: Making) -> CommandPlan:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        options = (
            *("--directory", str(making.root), f"--machine={making.container}", "--hostname=tare"),
            *("--quiet", "--pipe", "--register=no", "--keep-unit", "--private-network"),
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--settings=no"),
            *(f"--bind={making.folder / 'scratch'}:/scratch", f"--drop-capability={','.join(_DROPPED)}"),
            *(f"--capability={','.join(CAPABILITIES.values())}", "--no-new-privileges=yes"),
            f"--setenv=TARE_RUN={plan.context.run}",
        )
        argv = making.tool.argv(*options, "--", *making.agent)
        return replace(plan, argv=argv, what="systemd-nspawn", cgroups=self._cgroups, rlimits=True)

    def facts(self) -> Mapping[str, object]:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        return {
            "isolation": say(
                "fact.nspawn_isolation",
                "namespaces and capabilities as in our full container; filter and mounts are nspawn's",
            )
        }


def make(supplies: Supplies, name: str) -> Nspawn:
    """Make the runner for the registry."""
    return Nspawn(supplies.context, supplies.provision, name)
