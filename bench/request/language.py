"""Choose the language of the terminal, the same way for every command, for its help and for its errors.

It imports little: ``tare --help`` asks for the language, too, and need not wait for the declarations of all settings.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from tare.bench.settings_files import project_file, tables_of, user_file
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tare.reports.model import Language

KEY = "run.language"
"""Key of the setting."""

VARIABLE = "TARE_LANG"
"""Its variable, as its declaration spells it, too."""


def language_of(
    given: str | None, config: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Language:
    """Choose the language: the option's, else the variable's, the project's file's or the user's; English where none is said.

    A layer that cannot be read is passed over: its fault may be what has to be told.

    Args:
        given: what ``--lang`` says; ``None``: it is not given.
        config: the project's settings file; ``None``: ``$TARE_CONFIG``, or the nearest one.
        environ: environment variables.
    """
    for said in _said(given, config, environ):
        if said is None:
            continue
        from tare.reports.model import LANGUAGES  # noqa: PLC0415 - only then

        for language in LANGUAGES:
            if said == language:
                return language
    return "en"


def _said(given: str | None, config: Path | None, environ: Mapping[str, str]) -> Iterator[object]:
    """Give what the layers say, one after the other: files are read only where nothing above says something usable."""
    yield given
    yield environ.get(VARIABLE)
    yield from _in_files(config, environ)


def _in_files(config: Path | None, environ: Mapping[str, str]) -> Iterator[object]:
    table, _, name = KEY.partition(".")
    files = []
    with suppress(UsageError):
        files.append(project_file(config, environ))
    files.append(user_file(environ))
    for path in filter(None, files):
        with suppress(UsageError):
            settings = tables_of(path).get(table)
            yield settings.get(name) if isinstance(settings, dict) else None
