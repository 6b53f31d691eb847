"""Define the steps that change what the process itself may do."""

from __future__ import annotations

from tare.results.said import say
from tare.runners.launcher.steps.base import Op, Step, instruction


class SetLimit(Step, frozen=True):
    """Call setrlimit(2), for the soft and the hard limit."""

    name: str
    """Name for people."""
    resource: int
    """``RLIMIT_…`` of :mod:`resource`."""
    soft: int
    hard: int

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.limit", "limit {name} to {soft}", name=self.name, soft=self.soft)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.LIMIT, index, [self.resource, self.soft, self.hard])


class KeepCapabilities(Step, frozen=True):
    """Drop all capabilities but these from the bounding, effective, permitted, inheritable and ambient sets."""

    numbers: frozenset[int]
    """Capabilities to keep, as ``linux/capability.h`` numbers them."""

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.capabilities", "drop all capabilities but {numbers}", numbers=len(self.numbers))

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.KEEP_CAPABILITIES, index, [sum(1 << number for number in self.numbers)])


class NoNewPrivileges(Step, frozen=True):
    """Set ``PR_SET_NO_NEW_PRIVS``: set-uid programs grant nothing any more."""

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.no_new_privileges", "no new privileges")

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.NO_NEW_PRIVILEGES, index)


class Seccomp(Step, frozen=True):
    """Install a system call filter (classic BPF, see :mod:`tare.runners.launcher.seccomp`)."""

    program: bytes

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.seccomp", "seccomp filter, {program} instructions", program=len(self.program) // 8)

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.SECCOMP, index, texts=[self.program])


class Spin(Step, frozen=True):
    """Keep the CPU busy for a known time: a deliberate slowdown, for calibration."""

    seconds: float

    def describe(self) -> str:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return say("step.spin", "spin for {seconds} µs", seconds=f"{self.seconds * 1000000.0:.0f}")

    def encode(self, index: int) -> bytes:
        """See :class:`~tare.runners.launcher.steps.base.Step`."""
        return instruction(Op.SPIN, index, [round(self.seconds * 1e9)])
