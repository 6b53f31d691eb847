"""Define the steps that mount file systems and change the root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.launcher.steps.base import Op, Step, instruction

if TYPE_CHECKING:
    from pathlib import Path

# mount(2); Python has no names for them.
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_MOVE = 32, 4096, 8192
MS_REC, MS_PRIVATE = 16384, 1 << 18
MNT_DETACH = 2

_FLAG_NAMES = {
    MS_RDONLY: "ro",
    MS_NOSUID: "nosuid",
    MS_NODEV: "nodev",
    MS_NOEXEC: "noexec",
    MS_REMOUNT: "remount",
    MS_BIND: "bind",
    MS_REC: "recursive",
    MS_PRIVATE: "private",
}


class Mount(Step, frozen=True):
    """Call mount(2): a new file system, a bind, a remount or a change of propagation."""

    target: str
    kind: str = ""
    """Type of the file system; empty where mount(2) ignores it."""
    source: str = ""
    flags: int = 0
    """``MS_…``, combined."""
    data: str = ""
    """Options of the file system."""

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        flags = ",".join(name for flag, name in _FLAG_NAMES.items() if self.flags & flag)
        what = self.kind or flags or "move"
        source = f" {self.source}" if self.source and self.source != self.kind else ""
        options = ",".join(filter(None, (flags if self.kind else "", self.data)))
        told = f" ({options})" if options else ""
        return say(
            "step.mount",
            "mount {what} on {target}{options}",
            what=f"{what}{source}",
            target=self.target,
            options=told,
        )

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.MOUNT, index, [self.flags], [self.source, self.target, self.kind, self.data])


class PivotRoot(Step, frozen=True):
    """Make a mount point the root, and detach the old root so that no path leads to it.

    Old and new root are stacked on each other, so no folder for the old one is needed (pivot_root(2), notes).
    """

    root: str

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.pivot", "pivot_root to {root}, detach the old root", root=self.root)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return (
            instruction(Op.CHDIR, index, texts=[self.root])
            + instruction(Op.PIVOT_ROOT, index, texts=[".", "."])
            + instruction(Op.UNMOUNT, index, [MNT_DETACH], ["."])
            + instruction(Op.CHDIR, index, texts=["/"])
        )


class ChangeRoot(Step, frozen=True):
    """Call chroot(2): it changes where paths begin, and isolates nothing else."""

    root: str

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.chroot", "chroot to {root}", root=self.root)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.CHROOT, index, texts=[self.root]) + instruction(Op.CHDIR, index, texts=["/"])


class MoveRoot(Step, frozen=True):
    """Move a mount over the root of a mount namespace and enter it, as ``switch_root`` does.

    Only for namespaces whose old root holds nothing secret. Unlike :class:`PivotRoot` there is nothing to detach, so it
    does not wait for all CPUs (``synchronize_rcu_expedited`` in ``namespace_unlock``), which takes a tenth of a
    container's launch.
    """

    root: str

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.move_root", "move {root} over the root", root=self.root)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return (
            instruction(Op.CHDIR, index, texts=[self.root])
            + instruction(Op.MOUNT, index, [MS_MOVE], [".", "/", "", ""])
            + instruction(Op.CHROOT, index, texts=["."])
            + instruction(Op.CHDIR, index, texts=["/"])
        )


def escape(path: Path) -> str:
    """Escape a path for overlayfs' mount options, where commas, colons and backslashes have a meaning."""
    return "".join(f"\\{letter}" if letter in "\\,:" else letter for letter in str(path))
