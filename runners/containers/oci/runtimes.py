"""The OCI runtimes, and the little in which they differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.runners.model import NamedVariants

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One of them."""

    name: str
    """Also the runner's."""
    program: str = ""
    """If it has another name."""
    options: tuple[str, ...] = ()
    """Before the subcommand, always."""
    user_options: tuple[str, ...] = ()
    """In an ordinary user's user namespace as well."""
    for_users: bool = True
    shares_kernel: bool = True
    """Its processes are the host's: visible in /proc, filtered by seccomp, on the host's clock."""
    needs_v1_alone: bool = False
    """Refuses a host that mixes cgroup v1 and v2, so it is not shown the v2 hierarchy."""
    label: Callable[[str], str] | None = None
    """From what ``--version`` says to what stands behind the name in parentheses."""


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
