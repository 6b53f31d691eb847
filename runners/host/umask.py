"""Keep this process able to use the files that it makes, whatever umask it was started with."""

from __future__ import annotations

import os

_OWNER = 0o700


def keep_own_access() -> None:
    """Clear the owner's bits in the umask; those of the group and of others stay as the user has set them.

    With ``umask 777``, the suite could neither enter the folders that it makes nor read what it wrote there.
    """
    os.umask(os.umask(0o077) & ~_OWNER)
