"""List the OCI runtimes and the few things in which they differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.runners.model import NamedVariants

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Properties of one OCI runtime."""

    name: str
    """Name of the runtime and of its runner."""
    program: str = ""
    """Name of the program; empty: the same."""
    options: tuple[str, ...] = ()
    """Options in front of every subcommand."""
    user_options: tuple[str, ...] = ()
    """Further options in an ordinary user's user namespace."""
    for_users: bool = True
    """Works for ordinary users."""
    shares_kernel: bool = True
    """Containers run on the host's kernel: visible in /proc, filtered by seccomp, on the host's clock."""
    needs_v1_alone: bool = False
    """Refuses a host that mixes cgroup v1 and v2, so the v2 hierarchy is hidden from it."""
    label: Callable[[str], str] | None = None
    """Turns the output of ``--version`` into what follows the name in parentheses; ``None``: nothing does."""


def _gvisor(version: str) -> str:
    found = re.search(r"release-(\d{8})|(\d{8})", version)
    return f"{next(filter(None, found.groups())) if found else 'unknown version'},ptrace"


RUNTIMES = {
    one.name: one
    for one in (
        Runtime(name="runc", user_options=("--rootless", "true")),
        Runtime(name="crun", user_options=("--cgroup-manager", "disabled"), needs_v1_alone=True),
        Runtime(name="youki"),
        Runtime(
            name="runsc",
            options=("--platform=ptrace", "--network=none"),
            for_users=False,
            shares_kernel=False,
            label=_gvisor,
        ),
        Runtime(name="kata", program="kata-runtime", for_users=False, shares_kernel=False),
    )
}
CREATE_START = "create-start"
"""Variant that creates, starts and deletes the container by three commands instead of one."""
VARIANTS = NamedVariants((CREATE_START,))
"""Variants of every OCI runtime."""
