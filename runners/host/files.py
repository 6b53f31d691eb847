"""Files and folders of the host, and what they are on."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
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


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it, whatever modes a job gave to its folders; errors are ignored."""
    for place, names, _ in os.walk(folder):
        for name in names:
            with suppress(OSError):
                path = Path(place, name)
                if not path.is_symlink() and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
