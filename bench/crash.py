"""Keep what is known of an unforeseen error, so that the user is told in one sentence and a maintainer can find it."""

from __future__ import annotations

import os
import platform
import shlex
import tempfile
import time
import traceback
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from tare.runners.provision.cache import default_cache

if TYPE_CHECKING:
    from collections.abc import Sequence


def keep(error: BaseException, words: Sequence[str]) -> Path | None:
    """Write a crash report to ``<cache>/crashes``, else to the temporary folder.

    Args:
        error: what was raised.
        words: the command line.

    Returns:
        The file; ``None`` if none could be written.
    """
    report = "\n".join(
        (
            f"tare {_version()}, Python {platform.python_version()}, {platform.platform()}",
            f"command: tare {shlex.join(words)}",
            "",
            "".join(traceback.format_exception(error)),
        )
    )
    name = f"tare-crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for find in (_in_cache, _in_temporary):
        # The last handler has none behind it: whatever goes wrong here must not hide what went wrong before.
        with suppress(Exception):
            folder = find()
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / name
            with file.open("x", encoding="utf-8", errors="backslashreplace") as opened:
                opened.write(report)
            return file
    return None


def _in_cache() -> Path:
    return default_cache() / "crashes"


def _in_temporary() -> Path:
    return Path(tempfile.gettempdir())


def _version() -> str:
    try:
        return version("tarebench")
    except PackageNotFoundError:
        return "of no known version"
