"""Run containers by bubblewrap (``bwrap``), with which Flatpak starts applications.

It makes no cgroups, so Tare makes them and starts bubblewrap in them. The agent is process 1 (``--as-pid-1``) and has
the same system call filter, as in our own container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.results.said import say
from tare.runners.containers.oci.config import CAPABILITIES
from tare.runners.launcher.seccomp import build_filter
from tare.runners.places.rooted import RootedRunner

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.runners.context import Supplies
    from tare.runners.places.commanded import CommandPlan
    from tare.runners.places.rooted import Making
    from tare.runners.provision.tools import Tool

_FILTER_FD = 3


class Bubblewrap(RootedRunner):
    """See :class:`tare.runners.context.Runner`."""

    tool_name = "bwrap"

    def complete(self, plan: CommandPlan, making: Making) -> CommandPlan:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        options = (
            *("--bind", str(making.root), "/", "--proc", "/proc", "--dev", "/dev"),
            *("--ro-bind", "/sys", "/sys", "--bind", str(making.folder / "scratch"), "/scratch"),
            *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup"),
            *("--hostname", "tare", "--as-pid-1", "--die-with-parent", "--chdir", "/"),
            *("--unsetenv", "LD_LIBRARY_PATH", "--seccomp", str(_FILTER_FD)),
            *("--cap-drop", "ALL", *(word for name in CAPABILITIES.values() for word in ("--cap-add", name))),
        )
        return replace(
            plan,
            argv=making.tool.argv(*options, *making.agent),
            what="bwrap",
            cgroups=self._cgroups,
            rlimits=True,
            files={_FILTER_FD: self._folder / "filter"},
        )

    def facts(self) -> Mapping[str, object]:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        return {
            "isolation": say(
                "fact.bubblewrap_isolation",
                "namespaces, capabilities and denied calls as in our full container; /sys is the host's, read-only",
            ),
        }

    def fill_base(self, base: Path, tool: Tool) -> None:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        super().fill_base(base, tool)
        (self._folder / "filter").write_bytes(build_filter())


def make(supplies: Supplies, name: str) -> Bubblewrap:
    """Make the runner for the registry."""
    return Bubblewrap(supplies.context, supplies.provision, name)
