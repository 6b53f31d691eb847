"""Steps: what the launcher's child does between ``clone3`` and ``execveat``, as small objects.

Each step says what it does (:meth:`Step.describe`, for people) and how (:meth:`Step.encode`, instructions that
``launcher.c`` interprets). Namespaces asked for at birth are steps too: they have a clone flag and no instruction.
A step that a host refuses is reported by its index, so the error can name it.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tare.runners.launcher import netlink

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Opcodes of launcher.c.
_MOUNT, _UNMOUNT, _PIVOT_ROOT, _CHROOT, _CHDIR, _MKDIR, _SYMLINK, _MKNOD, _HOSTNAME, _WRITE = range(1, 11)
_KEEP_CAPABILITIES, _NO_NEW_PRIVILEGES, _SECCOMP, _LIMIT, _IDS, _LINK_UP = range(11, 17)
_UNSHARE, _ENTER, _KEEP_NETLINK, _NETLINK, _SPIN = range(17, 22)

# mount(2); Python has no names for them.
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_MOVE = 32, 1024, 2048, 4096, 8192
MS_REC, MS_PRIVATE = 16384, 1 << 18
MS_RELATIME = 1 << 21
MNT_DETACH = 2

_FLAG_NAMES = {
    MS_RDONLY: "ro",
    MS_NOSUID: "nosuid",
    MS_NODEV: "nodev",
    MS_NOEXEC: "noexec",
    MS_REMOUNT: "remount",
    MS_NOATIME: "noatime",
    MS_NODIRATIME: "nodiratime",
    MS_BIND: "bind",
    MS_REC: "recursive",
    MS_PRIVATE: "private",
    MS_RELATIME: "relatime",
}

CLONE_FLAGS = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
"""Namespace → its flag for clone3(2) and unshare(2)."""


def instruction(
    opcode: int, step: int, numbers: Iterable[int] = (), texts: Iterable[bytes | str | Path] = ()
) -> bytes:
    """One instruction as launcher.c reads it; texts get their terminator, bytes are passed as they are."""
    a, b, c = [*numbers, 0, 0, 0][:3]
    encoded = [encode_text(text) for text in texts]
    return struct.pack("=6Q", opcode, step, a, b, c, len(encoded)) + b"".join(encoded)


def encode_text(text: bytes | str | Path) -> bytes:
    """Length with terminator, then the bytes.

    Raises:
        ValueError: there is a NUL in the text, which the kernel would take for its end.
    """
    if isinstance(text, bytes):
        raw = text
    else:
        raw = os.fsencode(text)
        if b"\0" in raw:
            raise ValueError(f"{text!r} has a NUL byte in it")
        raw += b"\0"
    return struct.pack("=I", len(raw)) + raw


@dataclass(frozen=True, slots=True)
class Step:
    """One mount or isolation step."""

    @property
    def clone_flags(self) -> int:
        """What has to be asked of clone3(2) already."""
        return 0

    def describe(self) -> str:
        """What it does, in one line."""
        raise NotImplementedError

    def encode(self, index: int) -> bytes:
        """Its instructions; ``index`` comes back with a failure."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class NewNamespace(Step):
    """A namespace of its own, from birth."""

    kind: str

    @property
    def clone_flags(self) -> int:
        """See :data:`CLONE_FLAGS`."""
        return CLONE_FLAGS[self.kind]

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"new {self.kind} namespace"

    def encode(self, index: int) -> bytes:
        """Nothing: clone3 does it."""
        del index
        return b""


@dataclass(frozen=True, slots=True)
class Mount(Step):
    """mount(2), whatever kind: new file system, bind, remount, change of propagation."""

    target: str
    kind: str = ""
    source: str = ""
    flags: int = 0
    data: str = ""

    def describe(self) -> str:
        """See :class:`Step`."""
        flags = ",".join(name for flag, name in _FLAG_NAMES.items() if self.flags & flag)
        what = self.kind or flags or "move"
        source = f" {self.source}" if self.source and self.source != self.kind else ""
        options = ",".join(filter(None, (flags if self.kind else "", self.data)))
        return f"mount {what}{source} on {self.target}" + (f" ({options})" if options else "")

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_MOUNT, index, [self.flags], [self.source, self.target, self.kind, self.data])


@dataclass(frozen=True, slots=True)
class PivotRoot(Step):
    """Make a mount point the root and let go of the old one, which no path leads to afterwards.

    Old and new root are stacked on each other, so no folder for the old one is needed (pivot_root(2), notes).
    """

    root: str

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"pivot_root to {self.root}, detach the old root"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return (
            instruction(_CHDIR, index, texts=[self.root])
            + instruction(_PIVOT_ROOT, index, texts=[".", "."])
            + instruction(_UNMOUNT, index, [MNT_DETACH], ["."])
            + instruction(_CHDIR, index, texts=["/"])
        )


@dataclass(frozen=True, slots=True)
class ChangeRoot(Step):
    """chroot(2): changes where paths begin, and isolates nothing else."""

    root: str

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"chroot to {self.root}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_CHROOT, index, texts=[self.root]) + instruction(_CHDIR, index, texts=["/"])


@dataclass(frozen=True, slots=True)
class ChangeDirectory(Step):
    """chdir(2)."""

    path: str

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"change to {self.path}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_CHDIR, index, texts=[self.path])


@dataclass(frozen=True, slots=True)
class MakeDirectory(Step):
    """mkdir(2); one that exists is fine."""

    path: str
    mode: int = 0o755

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"make folder {self.path}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_MKDIR, index, [self.mode], [self.path])


@dataclass(frozen=True, slots=True)
class MakeNode(Step):
    """mknod(2) of a character device; needs real root."""

    path: str
    major: int
    minor: int

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"make device {self.path} ({self.major}:{self.minor})"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        device = os.makedev(self.major, self.minor)
        return instruction(_MKNOD, index, [stat.S_IFCHR | 0o666, device], [self.path])


@dataclass(frozen=True, slots=True)
class MakeLink(Step):
    """symlink(2); one that exists is fine."""

    path: str
    to: str

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"link {self.path} → {self.to}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_SYMLINK, index, texts=[self.to, self.path])


@dataclass(frozen=True, slots=True)
class SetHostname(Step):
    """sethostname(2)."""

    name: str

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"host name {self.name}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_HOSTNAME, index, texts=[self.name])


@dataclass(frozen=True, slots=True)
class WriteFile(Step):
    """Write a text into an existing file, in one write(2): maps, sysctls, cgroups."""

    path: str
    text: str

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"write {self.text!r} to {self.path}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_WRITE, index, texts=[self.path, self.text])


@dataclass(frozen=True, slots=True)
class MapUser(Step):
    """Be root inside a user namespace, and the one given user outside.

    That is all that user_namespaces(7) grants to an ordinary user.
    """

    uid: int
    gid: int

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"map root inside to uid {self.uid}, gid {self.gid} outside"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        # Without "deny" first, the kernel refuses an ordinary user's gid_map (CVE-2014-8989).
        return (
            instruction(_WRITE, index, texts=["/proc/self/setgroups", "deny"])
            + instruction(_WRITE, index, texts=["/proc/self/uid_map", f"0 {self.uid} 1"])
            + instruction(_WRITE, index, texts=["/proc/self/gid_map", f"0 {self.gid} 1"])
        )


@dataclass(frozen=True, slots=True)
class MoveRoot(Step):
    """Move a mount over the root of a mount namespace whose old root is nobody's secret, and enter it.

    What ``switch_root`` does. Unlike :class:`PivotRoot` it has nothing to detach, so it does not wait for all CPUs
    (``synchronize_rcu_expedited`` in ``namespace_unlock``), which takes a tenth of a container's launch.
    """

    root: str

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"move {self.root} over the root"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return (
            instruction(_CHDIR, index, texts=[self.root])
            + instruction(_MOUNT, index, [MS_MOVE], [".", "/", "", ""])
            + instruction(_CHROOT, index, texts=["."])
            + instruction(_CHDIR, index, texts=["/"])
        )


@dataclass(frozen=True, slots=True)
class LinkUp(Step):
    """Bring a network interface up."""

    name: str = "lo"

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"bring {self.name} up"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_LINK_UP, index, texts=[self.name])


@dataclass(frozen=True, slots=True)
class EnterNamespace(Step):
    """setns(2)."""

    kind: str
    path: str

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"enter the {self.kind} namespace {self.path}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_ENTER, index, [CLONE_FLAGS[self.kind]], [self.path])


@dataclass(frozen=True, slots=True)
class MakeBridge(Step):
    """A bridge with an address, in the net namespace where this is done."""

    name: str
    index: int
    address: str
    prefix: int

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"make bridge {self.name}, {self.address}/{self.prefix}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return _ask(index, netlink.new_bridge(self.name, self.index)) + _ask(
            index, netlink.new_address(self.index, self.address, self.prefix)
        )


@dataclass(frozen=True, slots=True)
class MakePair(Step):
    """A pair of virtual Ethernet interfaces from this net namespace to that of another process; this end's address."""

    name: str
    index: int
    address: str
    prefix: int
    peer: str
    peer_index: int
    peer_pid: int

    def describe(self) -> str:
        """See :class:`Step`."""
        return (
            f"make link {self.name}, {self.address}/{self.prefix}, to {self.peer} of process {self.peer_pid}"
        )

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        pair = netlink.new_pair(self.name, self.index, self.peer, self.peer_index, self.peer_pid)
        return _ask(index, pair) + _ask(index, netlink.new_address(self.index, self.address, self.prefix))


@dataclass(frozen=True, slots=True)
class SetAddress(Step):
    """An address for an interface, which is brought up."""

    index: int
    address: str
    prefix: int

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"address {self.address}/{self.prefix} for interface {self.index}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return _ask(index, netlink.link_up(self.index)) + _ask(
            index, netlink.new_address(self.index, self.address, self.prefix)
        )


@dataclass(frozen=True, slots=True)
class Masquerade(Step):
    """Source NAT for what leaves by an interface."""

    index: int

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"masquerade what leaves by interface {self.index}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return _ask(index, netlink.new_masquerade(self.index), protocol=netlink.NETFILTER)


@dataclass(frozen=True, slots=True)
class JoinBridge(Step):
    """A net namespace of its own, with an ``eth0`` whose other end is on a bridge of the one that is left.

    For the first process of a pid namespace: the kernel finds the new net namespace by its pid.
    """

    link: str
    """Name of the bridge's end."""
    bridge: int
    address: str
    prefix: int
    gateway: str

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"new net namespace, eth0 {self.address}/{self.prefix} on a bridge by {self.link}, route {self.gateway}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        eth0 = 2  # lo is 1
        pair = netlink.new_pair(self.link, 0, "eth0", eth0, 1, bridge=self.bridge)
        return (
            instruction(_KEEP_NETLINK, index)
            + instruction(_UNSHARE, index, [CLONE_FLAGS["net"]])
            + _ask(index, pair, kept=True)
            + _ask(index, netlink.link_up(eth0))
            + _ask(index, netlink.new_address(eth0, self.address, self.prefix))
            + _ask(index, netlink.new_default_route(eth0, self.gateway))
        )


def _ask(index: int, message: bytes, *, protocol: int = netlink.ROUTE, kept: bool = False) -> bytes:
    """Send it from the net namespace that the process is in, or (``kept``) from the one that it has left."""
    return instruction(_NETLINK, index, [int(kept), protocol], [message])


@dataclass(frozen=True, slots=True)
class SetLimit(Step):
    """setrlimit(2), soft and hard."""

    name: str
    resource: int
    soft: int
    hard: int

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"limit {self.name} to {self.soft}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_LIMIT, index, [self.resource, self.soft, self.hard])


@dataclass(frozen=True, slots=True)
class SetUser(Step):
    """Become another user and group for good."""

    uid: int
    gid: int

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"become uid {self.uid}, gid {self.gid}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_IDS, index, [self.uid, self.gid])


@dataclass(frozen=True, slots=True)
class KeepCapabilities(Step):
    """Drop all capabilities but these from the bounding, effective, permitted, inheritable and ambient sets."""

    numbers: frozenset[int]

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"drop all capabilities but {len(self.numbers)}"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_KEEP_CAPABILITIES, index, [sum(1 << number for number in self.numbers)])


@dataclass(frozen=True, slots=True)
class NoNewPrivileges(Step):
    """``PR_SET_NO_NEW_PRIVS``: set-uid programs give nothing any more."""

    def describe(self) -> str:
        """See :class:`Step`."""
        return "no new privileges"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_NO_NEW_PRIVILEGES, index)


@dataclass(frozen=True, slots=True)
class Seccomp(Step):
    """Install a system call filter (classic BPF, see :mod:`tare.runners.launcher.seccomp`)."""

    program: bytes = field(repr=False)

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"seccomp filter, {len(self.program) // 8} instructions"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_SECCOMP, index, texts=[self.program])


@dataclass(frozen=True, slots=True)
class Spin(Step):
    """Keep the CPU busy for a known time: a slowdown that is there on purpose, for calibration."""

    seconds: float

    def describe(self) -> str:
        """See :class:`Step`."""
        return f"spin for {self.seconds * 1e6:.0f} µs"

    def encode(self, index: int) -> bytes:
        """See :class:`Step`."""
        return instruction(_SPIN, index, [round(self.seconds * 1e9)])


def escape(path: Path) -> str:
    """A path as overlayfs' options take it: commas, colons and backslashes are theirs."""
    return "".join(f"\\{letter}" if letter in "\\,:" else letter for letter in str(path))
