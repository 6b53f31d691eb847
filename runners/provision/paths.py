"""Resolve paths below a root as a process would that has it as its root."""

from __future__ import annotations

from collections import deque
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LINKS_LIMIT = 40
"""Number of links that the kernel follows in one path (path_resolution(7))."""


def inside(root: Path, path: str) -> str:
    """Resolve all links of ``path`` as a process whose root is ``root`` would; the result starts with ``/``.

    Raises:
        OSError: the links lead in a circle.
    """
    pending = deque(PurePosixPath("/", path).parts[1:])
    done: list[str] = []
    links = 0
    while pending:
        part = pending.popleft()
        if part == "..":
            done[-1:] = []
            continue
        here = root.joinpath(*done, part)
        if not here.is_symlink():
            done.append(part)
            continue
        links += 1
        if links > _LINKS_LIMIT:
            raise OSError(40, "Too many levels of symbolic links", str(here))
        target = PurePosixPath(here.readlink())
        if target.is_absolute():
            done = []
        pending.extendleft(reversed([each for each in target.parts if each != "/"]))
    return "/" + "/".join(done)
