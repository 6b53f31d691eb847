"""Replace files in one step: readers see the old one or the new one, never half of one."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a draft, which takes the place of ``path`` when the block has ended well, and is removed otherwise.

    Raises:
        OSError: the draft cannot take the place, or the block raised it.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(3)}")
    try:
        yield draft
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes, *, lasting: bool = False) -> None:
    """Replace a file's content in one step.

    Args:
        path: the file; its folder exists.
        content: what it will hold.
        lasting: the content is on the disk before it takes the place, and so survives a loss of power.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    with replacing(path) as draft, draft.open("wb") as file:
        file.write(content)
        if lasting:
            file.flush()
            os.fsync(file.fileno())
