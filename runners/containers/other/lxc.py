"""Run containers by ``lxc-execute``, which runs one program in a temporary container.

LXC makes the cgroups itself and sets the limits in them. Its ``init.lxc`` is process 1 and starts the agent.
"""

from __future__ import annotations

import errno
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.results.said import say
from tare.runners.containers.oci.config import CAPABILITIES
from tare.runners.errors import Missing
from tare.runners.host.cgroups.limits import SWAP_FILES, limit_files
from tare.runners.host.cgroups.membership import expected_cgroup
from tare.runners.host.disks import disk_of
from tare.runners.launcher.seccomp import denied_arguments, denied_names
from tare.runners.places.rooted import RootedRunner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.runners.context import Supplies
    from tare.runners.host.cgroups.layout import Hierarchy
    from tare.runners.places.commanded import CommandPlan
    from tare.runners.places.rooted import Making
    from tare.runners.provision.tools import Tool

_INIT = "init.lxc.static"
_SBIN = ("usr/sbin", "sbin", "usr/local/sbin", "usr/lib/lxc", "usr/libexec/lxc")


class Lxc(RootedRunner):
    """See :class:`tare.runners.context.Runner`."""

    tool_name = "lxc-execute"
    for_users = False

    def complete(self, plan: CommandPlan, making: Making) -> CommandPlan:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        expected = expected_cgroup(self._cgroups, plan.context.run, plan.name)
        expected.achieved |= self.achieved
        file = making.folder / "config"
        lines = (*self._config(plan, making), *self._limits(plan))
        file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        argv = making.tool.argv(
            *("--name", making.container, "--rcfile", str(file), "--lxcpath", str(self._folder / "state")),
            *("--", *making.agent),
        )
        return replace(plan, argv=argv, what="lxc-execute", expected_cgroup=expected)

    def facts(self) -> Mapping[str, object]:
        """See :class:`~tare.runners.places.rooted.RootedRunner`."""
        return {
            "isolation": say(
                "fact.lxc_isolation",
                "namespaces, capabilities and denied calls as in our full container; mounts are LXC's",
            )
        }

    def fill_base(self, base: Path, tool: Tool) -> None:
        """See :class:`~tare.runners.places.rooted.RootedRunner`. Adds LXC's init, which LXC first looks for there."""
        super().fill_base(base, tool)
        (self._folder / "filter").write_text(seccomp_profile(), "utf-8")
        for name in ("state", "mount"):
            (self._folder / name).mkdir()
        init = next(filter(Path.is_file, (tool.root / folder / _INIT for folder in _SBIN)), None)
        if init is None:
            raise Missing(
                say(
                    "container.lxc_incomplete",
                    "{path} is installed without its {program}.",
                    path=tool.path,
                    program=_INIT,
                ),
                say("remedy.install_lxc", "Install all of LXC: apt-get install lxc"),
            )
        (base / "usr/sbin").mkdir()
        shutil.copy(init, base / "usr/sbin" / _INIT)

    def _config(self, plan: CommandPlan, making: Making) -> Iterator[str]:
        yield f"lxc.rootfs.path = dir:{making.root}"
        yield f"lxc.rootfs.mount = {self._folder / 'mount'}"
        yield "lxc.uts.name = tare"
        yield "lxc.net.0.type = empty"
        yield "lxc.mount.auto = proc:mixed sys:ro"
        yield f"lxc.mount.entry = {making.folder / 'scratch'} scratch none bind 0 0"
        yield f"lxc.cap.keep = {' '.join(name.removeprefix('CAP_').lower() for name in CAPABILITIES.values())}"
        yield "lxc.no_new_privs = 1"
        yield f"lxc.seccomp.profile = {self._folder / 'filter'}"
        yield f"lxc.environment = TARE_RUN={plan.context.run}"
        yield "lxc.console.path = none"
        yield "lxc.tty.max = 0"
        yield f"lxc.cgroup.dir.container = tare-{plan.context.run}/{plan.name}"
        yield f"lxc.cgroup.dir.monitor = tare-{plan.context.run}/{plan.name}-monitor"
        yield f"lxc.cgroup.dir.monitor.pivot = tare-{plan.context.run}/{self._folder.name}-pivot"
        yield f"lxc.prlimit.fsize = {plan.limits.scratch_bytes}"

    def _limits(self, plan: CommandPlan) -> Iterator[str]:
        """Write the limits as lines of LXC's configuration."""
        disk, limits = disk_of(plan.context.workdir), plan.limits
        nothing = {"cpu": limits.cpus >= self._cgroups.host_cpus, "cpuset": not limits.cpuset}
        for one in self._cgroups.hierarchies:
            prefix = "lxc.cgroup2" if one.version == 2 else "lxc.cgroup"
            for controller in sorted(one.controllers):
                if not nothing.get(controller):
                    for file, text in limit_files(controller, one.version, limits, disk):
                        if file not in SWAP_FILES or _counted(one, file):
                            yield f"{prefix}.{file} = {text}"

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`. Removes the last of the cgroups that LXC makes for itself, too."""
        for one in self._cgroups.hierarchies:
            for kind in ("*-monitor", "pivot"):
                for folder in (one.top / f"tare-{self._context.run}").glob(f"{self._folder.name}-{kind}"):
                    with suppress(OSError):
                        folder.rmdir()
        super().close()


def make(supplies: Supplies, name: str) -> Lxc:
    """Make the runner for the registry."""
    return Lxc(supplies.context, supplies.provision, name)


def _counted(one: Hierarchy, file: str) -> bool:
    """Tell whether cgroups of this hierarchy have that file, by looking at the existing ones."""
    return any(True for _ in one.top.glob(f"*/{file}"))


def seccomp_profile() -> str:
    """Write the rules of :func:`tare.runners.launcher.seccomp.build_filter` as a policy file of LXC, version 2."""
    rules = [f"{name} errno {errno.EPERM}" for name in denied_names()]
    rules.append(f"clone3 errno {errno.ENOSYS}")
    for rule in denied_arguments():
        test = (
            f"[0,{rule.value},SCMP_CMP_MASKED_EQ,{rule.mask}]"
            if rule.mask
            else f"[0,{rule.value},SCMP_CMP_EQ]"
        )
        rules.append(f"{rule.call} errno {errno.EPERM} {test}")
    return "\n".join(("2", "denylist", "[all]", *rules, ""))
