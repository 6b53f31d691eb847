"""Hold a process inside a folder: an audit hook notes whatever it writes, makes or removes elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    "os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.symlink": (1,), "os.link": (1,),
    "os.chmod": (0,), "os.chown": (0,), "os.truncate": (0,), "os.utime": (0,), "os.setxattr": (0,),
}  # fmt: skip
"""Audit event → positions of the paths that it changes. See the table of audit events in Python's documentation."""
_FORBIDDEN = frozenset({"os.kill", "os.killpg", "os.system", "socket.connect", "socket.bind"})
_FOLLOWED = frozenset({"os.chmod", "os.truncate", "os.utime"})
_DEVICES = frozenset({"/dev/null"})


class Borders:
    """What the process did outside of its folder since it was last asked. A hook cannot be taken away: one per process."""

    def __init__(self, folder: Path) -> None:
        self.folder = f"{folder.resolve()}/"
        self.watching = False
        self._seen: list[str] = []
        sys.addaudithook(self._hook)

    def crossed(self) -> list[str]:
        """Give and forget what was seen."""
        seen, self._seen = self._seen, []
        return seen

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watching:
            return
        if event == "open":
            path, mode, flags = arguments
            if flags & _WRITES or (isinstance(mode, str) and set(mode) & set("wxa+")):
                self._judge(event, path, None, follow=True)
        elif event in _CHANGES:
            descriptors = [one for one in arguments if isinstance(one, int) and one >= 0][-1:]
            relative = (
                descriptors[0] if event in {"os.mkdir", "os.remove", "os.rmdir"} and descriptors else None
            )
            if event == "os.mkdir" and len(arguments) > 2:
                relative = arguments[2] if arguments[2] >= 0 else None
            for position in _CHANGES[event]:
                self._judge(event, arguments[position], relative, follow=event in _FOLLOWED)
        elif event in _FORBIDDEN:
            self._seen.append(f"{event}{arguments!r}"[:300])

    def _judge(self, event: str, path: Any, relative: int | None, *, follow: bool) -> None:
        if isinstance(path, int):
            return  # what is open has been judged when it was opened
        try:
            name = os.fsdecode(path)
            if relative is not None and not name.startswith("/"):
                name = f"/proc/self/fd/{relative}/{name}"
            real = Path(name).resolve() if follow else Path(name).parent.resolve() / Path(name).name
        except (OSError, ValueError, RuntimeError, TypeError):
            return  # no path at all: the call fails
        if not f"{real}/".startswith(self.folder) and str(real) not in _DEVICES:
            self._seen.append(f"{event} {str(real)[:300]!r}")
