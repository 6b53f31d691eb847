"""Choose the language of the terminal, the same way for every command and for its errors."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from tare.bench.request.declarations import by_key
from tare.bench.settings_files import project_file, tables_of, user_file
from tare.reports.model import LANGUAGES
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tare.reports.model import Language

KEY = "run.language"
"""Key of the setting."""


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
    for said in (given, environ.get(by_key()[KEY].variable), *_in_files(config, environ)):
        for language in LANGUAGES:
            if said == language:
                return language
    return "en"


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
