"""Define the steps that make, enter and set up namespaces."""

from __future__ import annotations

import os
from pathlib import Path

from tare.results.said import say
from tare.runners.launcher.steps.base import Op, Step, instruction

CLONE_FLAGS = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
"""Namespace → its flag for clone3(2), unshare(2) and setns(2)."""


class NewNamespace(Step, frozen=True):
    """Be born in a new namespace of one kind."""

    kind: str
    """A key of :data:`CLONE_FLAGS`."""

    @property
    def clone_flags(self) -> int:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return CLONE_FLAGS[self.kind]

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.namespace", "new {kind} namespace", kind=self.kind)

    def encode(self, index: int) -> bytes:
        """Return no instruction: clone3 makes the namespace."""
        del index
        return b""


class EnterNamespace(Step, frozen=True):
    """Enter an existing namespace by setns(2)."""

    kind: str
    """A key of :data:`CLONE_FLAGS`."""
    path: str

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.enter", "enter the {kind} namespace {path}", kind=self.kind, path=self.path)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.ENTER, index, [CLONE_FLAGS[self.kind]], [self.path])


def into_network(path: str) -> tuple[EnterNamespace, ...]:
    """List the steps into a process' net namespace.

    An ordinary user may enter one only from the user namespace that it belongs to (setns(2)), which is the process' own.

    Args:
        path: ``/proc/PID/ns/net``; empty: the host's own, which takes no step.
    """
    if not path:
        return ()
    user = (EnterNamespace("user", str(Path(path).with_name("user"))),) if os.getuid() else ()
    return (*user, EnterNamespace("net", path))


class MapUser(Step, frozen=True):
    """Map root inside the user namespace to one user and group outside.

    An ordinary user may map no more than that (user_namespaces(7)).
    """

    uid: int
    gid: int

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say(
            "step.map_user", "map root inside to uid {uid}, gid {gid} outside", uid=self.uid, gid=self.gid
        )

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        # Without "deny" first, the kernel refuses an ordinary user's gid_map (CVE-2014-8989).
        return (
            instruction(Op.WRITE, index, texts=["/proc/self/setgroups", "deny"])
            + instruction(Op.WRITE, index, texts=["/proc/self/uid_map", f"0 {self.uid} 1"])
            + instruction(Op.WRITE, index, texts=["/proc/self/gid_map", f"0 {self.gid} 1"])
        )


class SetHostname(Step, frozen=True):
    """Set the host name by sethostname(2)."""

    name: str

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.hostname", "host name {name}", name=self.name)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.HOSTNAME, index, texts=[self.name])
