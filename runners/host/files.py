"""Files and folders of the host, and what they are on."""

from __future__ import annotations

from pathlib import Path


def file_system(path: Path) -> str:
    """Name the type of the file system that a path is on; empty if no mount over it is known."""
    best, found = -1, ""
    text = str(path.resolve())
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        fields, _, after = line.partition(" - ")
        point = fields.split()[4]
        inside = text == point or text.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:
            best, found = len(point), after.split()[0]
    return found
