"""``disk-files`` and ``disk-append``, each also ``-root``: measure file metadata and appending, by ``elementary.c``.

In the scratch folder: a bind mount of the host's in containers, the guest's own disk in guests, a folder on bare metal. And in
the place's own root, ``/var/tmp``: the writable layer of a container, which is an overlay on the host's disk (docker, podman)
or on memory (those that Tare makes itself). A guest's root is read-only and so skipped; bare metal has no other root, and uses
the scratch folder for both. The file system that was found is in the trial's context.

*Files*: create, look up and unlink empty files in one folder; nothing is flushed. *Append*: write 4 KiB to the end of a file
and ``fdatasync``, which makes the file system commit the new size; ``disk-fsync`` overwrites.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tare.bench.workloads.base import ParseError, amount, metric
from tare.bench.workloads.elementary import Elementary
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.measurable import FromMode
    from tare.bench.workloads.base import Site
    from tare.results.record import Metric
    from tare.runners.model import Job, JobResult

OWN_FOLDER = "/var/tmp"  # noqa: S108 - a folder of the place, not one of the host

_MAGIC = {
    0x01021994: "tmpfs", 0x794C7630: "overlay", 0x9123683E: "btrfs", 0x58465342: "xfs", 0x2FC12FC1: "zfs",
    0xEF53: "ext4", 0x65735546: "fuse", 0x6969: "nfs", 0x858458F6: "ramfs", 0x01021997: "9p", 0xF2F52010: "f2fs",
}  # fmt: skip
"""Numbers of statfs(2). ext2 and ext3 have ext4's, and virtiofs has that of fuse."""

_ON = re.compile(rb"on (\d{1,10})\n")


@dataclass(frozen=True, slots=True)
class OnFiles(Elementary):
    """Run one of the program's ways in a folder."""

    name: str
    summary: str
    operation: str
    """The program's word for it."""
    lines: tuple[str, ...]
    """What the program's lines are about, the primary one first."""
    per_second: int
    root: bool
    """In the place's own root instead of the scratch folder."""
    family: str = "disk"
    from_mode: FromMode = "rigorous"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the operation and where the folder is."""
        return {"operation": self.operation, "folder": "root" if self.root else "scratch"}

    def remedy(self) -> str:
        """Say where such a place can be measured."""
        return say(
            "workload.use_scratch", "measure {name}, which uses the place's scratch disk",
            name=self.name.removesuffix("-root"),
        )  # fmt: skip

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of operations everywhere, up to the cap."""
        own_root = self.root and PurePosixPath(site.root) == PurePosixPath("/")
        folder = OWN_FOLDER if own_root else site.scratch
        return self.call(site, seconds, self.operation, folder, amount(self.per_second, seconds))

    def context(self, result: JobResult) -> Mapping[str, object]:
        """Name the file system that was measured."""
        magic = int(self._on(result.stdout)[1])
        return {"measured_file_system": _MAGIC.get(magic, f"{magic:#x}")}

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the operations of each kind per second."""
        found = self.timed(result.stdout[self._on(result.stdout).end() :], *self.lines)
        return tuple(
            metric(
                f"elementary.{line}.rate", found[line].rate, "ops/s", "higher", "elementary",
                primary=line == self.lines[0], samples=found[line].count,
            )
            for line in self.lines
        )  # fmt: skip

    def _on(self, output: bytes) -> re.Match[bytes]:
        if not (on := _ON.match(output)):
            raise ParseError(self.name, say("parse.no_file_system", "no file system"), output)
        return on


def _pair(
    name: str, what: str, operation: str, lines: tuple[str, ...], per_second: int
) -> tuple[OnFiles, ...]:
    return tuple(
        OnFiles(name + suffix, about, operation, lines, per_second, root=bool(suffix))
        for suffix, about in (
            ("", say("workload.in_scratch", "{what}, in the scratch folder", what=what)),
            ("-root", say("workload.in_root", "{what}, in the place's own root", what=what)),
        )
    )


ON_FILES = (
    *_pair(
        "disk-files",
        "create, look up and unlink empty files",
        "files",
        ("create", "lookup", "unlink"),
        5000,
    ),
    *_pair("disk-append", "append 4 KiB and fdatasync", "append", ("append",), 1500),
)
