"""Check that the host has reserved enough huge pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEMINFO = Path("/proc/meminfo")


def check_free(memory_bytes: int, meminfo: Path = _MEMINFO) -> None:
    """Check that enough reserved huge pages are free for a guest.

    Args:
        memory_bytes: the guest's memory; 1 asks for any.
        meminfo: the kernel's table.

    Raises:
        Missing: there are too few.
    """
    fields = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines() if ":" in line)
    # A mapping reserves its pages at once, but they count as free until it touches them.
    free = _count(fields, "HugePages_Free") - _count(fields, "HugePages_Rsvd")
    page_bytes = int(fields.get("Hugepagesize", "2048 kB").split()[0]) << 10
    needed = -(-memory_bytes // page_bytes)
    if free < needed:
        raise Missing(
            say(
                "guest.huge_pages",
                "{free} huge pages of {size} KiB are free, and a guest needs {needed}{what}.",
                free=free,
                size=page_bytes >> 10,
                needed=needed,
                what=" or more" if memory_bytes == 1 else "",
            ),
            say(
                "remedy.hugepages",
                "Reserve some: sysctl vm.nr_hugepages={pages} (per guest at a time).",
                pages=max(needed, 512),
            ),
        )


def _count(fields: Mapping[str, str], name: str) -> int:
    return int(fields.get(name, "0").split()[0])
