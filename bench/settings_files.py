"""Find and read the files that settings are in: ``tare.toml``, ``pyproject.toml`` with ``[tool.tare]``, and the user's own."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.results.said import say
from tare.results.toml_files import LARGEST_BYTES, read_toml
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_FILE = "tare.toml"
PROJECT_FILE = "pyproject.toml"
VARIABLE = "TARE_CONFIG"
"""Variable that names the project's settings file where ``--config`` does not."""

_OUR_TABLE = re.compile(rb"^\s*\[\[?\s*[\"']?tool[\"']?\s*\.\s*[\"']?tare\b", re.MULTILINE)


def file_in(folder: Path) -> Path | None:
    """Find the settings file in one folder: ``tare.toml``, else ``pyproject.toml`` if it has ``[tool.tare]``.

    Raises:
        UsageError: a ``pyproject.toml`` has such a table, but is not TOML.
    """
    own = folder / CONFIG_FILE
    if os.path.lexists(own):  # a link that leads nowhere is told, not passed over
        return own
    project = folder / PROJECT_FILE
    return project if os.path.isfile(project) and _has_our_table(project) else None  # noqa: PTH113 - never raises


def nearest_file(start: Path | None = None) -> Path | None:
    """Find the settings file in a folder or in the nearest one above it.

    Folders that everybody may write to, such as ``/tmp``, are passed over on the way up: settings name programs to run.

    Args:
        start: folder to begin with; ``None``: the working directory.

    Raises:
        UsageError: a ``pyproject.toml`` has ``[tool.tare]``, but is not TOML.
    """
    try:
        here = file_in(start or Path())
        parents = (start or Path.cwd()).absolute().parents
    except FileNotFoundError:  # the working directory is gone
        return None
    if here:
        return here
    return next((found for each in parents if not _is_everybodys(each) and (found := file_in(each))), None)


def named_file(config: Path | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Choose the settings file that is asked for by name: by ``--config``, else by ``$TARE_CONFIG``.

    Raises:
        UsageError: it is not there.
    """
    named = environ.get(VARIABLE)
    chosen = config or (Path(named) if named else None)
    if chosen and not os.path.lexists(chosen):
        named = "--config" if config else f"${VARIABLE}"
        raise UsageError(
            say("settings.no_file", "{named} {chosen}: there is no such file.", named=named, chosen=chosen)
        )
    return chosen


def project_file(config: Path | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Choose the project's settings file: the one asked for by name, or the nearest.

    Raises:
        UsageError: a file asked for by name is not there, or the nearest cannot be read.
    """
    return named_file(config, environ) or nearest_file()


def user_file(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Find the user's settings file, ``tare/tare.toml`` in ``$XDG_CONFIG_HOME`` or ``~/.config``; ``None``: there is none."""
    configured, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME", "")
    base = Path(configured) if configured.startswith("/") else Path(home, ".config") if home else None
    file = base / "tare" / CONFIG_FILE if base else None
    return file if file and os.path.lexists(file) else None


def tables_of(path: Path) -> dict[str, Any]:
    """Read Tare's tables of a settings file; of ``pyproject.toml``, those below ``[tool.tare]``.

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    try:
        document = read_toml(path)
    except OSError as error:
        raise UsageError(say(
            "settings.file_unreadable", "{path} cannot be read: {strerror}.",
            path=path, strerror=error.strerror,
        )) from error  # fmt: skip
    except ValueError as error:
        raise UsageError(
            say("settings.file_invalid", "{path} cannot be used: {error}.", path=path, error=error)
        ) from error
    for key in prefix_of(path):
        document = document.get(key, {})
        if not isinstance(document, dict):
            raise UsageError(say(
                "settings.file_table", "{path}: {key!r} must be a table, as in [tool.tare.run]",
                path=path, key=key,
            ))  # fmt: skip
    return document


def prefix_of(path: Path) -> tuple[str, ...]:
    """Name the tables that Tare's are below in a settings file."""
    return ("tool", "tare") if path.name == PROJECT_FILE else ()


def _has_our_table(path: Path) -> bool:
    """Tell whether a ``pyproject.toml`` concerns Tare; one of others' that is damaged or huge does not."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES)
    except OSError:
        return False
    if b"tare" not in content:
        return False
    if _OUR_TABLE.search(content):
        return True
    try:
        tool = read_toml(path).get("tool")
    except (OSError, ValueError):
        return False
    return isinstance(tool, dict) and "tare" in tool


def _is_everybodys(folder: Path) -> bool:
    try:
        return bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return True
