"""Find the user's home folder, which not every user has: containers and CI start programs under numbers without a name."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def home_folder() -> Path | None:
    """Return ``$HOME``, else what the passwd entry says; ``None`` if neither gives an absolute path."""
    given = os.environ.get("HOME", "")
    if given.startswith("/"):
        return Path(given)
    try:
        entry = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return None
    return Path(entry) if entry.startswith("/") else None
