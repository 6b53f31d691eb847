"""Implement ``tare open [RUN]``: open the report of a run in a browser, and print its path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tare.bench.commands.shared.filters import add_run_argument
from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.errors import Exit
from tare.bench.request import layers
from tare.results.said import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""Variables without which a browser could only take over the terminal."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the run, and where reports are."""
    add_run_argument(parser)
    layers.add_options(parser, "output")


def run(arguments: argparse.Namespace) -> int:
    """Write the report if there is none that is up to date, open it, and print its path; the exit code is 0."""
    from tare.bench.analysis.references import run_folder_of  # noqa: PLC0415
    from tare.reports.model import PAGES  # noqa: PLC0415
    from tare.results.storage.load import load_run  # noqa: PLC0415

    wanted = layers.resolve(arguments).output
    stored = load_run(run_folder_of(arguments.reference, wanted))
    page = wanted.reports_dir / stored.manifest.run / PAGES[wanted.language]
    if not _is_current(page, stored.path):
        from tare.bench.analysis.report import report_run  # noqa: PLC0415 - imports pandas and matplotlib

        page = report_run(stored.path, wanted.reports_dir, language=wanted.language).index
    if not _opened(page, os.environ):
        speaker_of(arguments).note(
            say("terminal.no_browser", "there is no browser here: open this file in one")
        )
    print(page)
    return Exit.OK


def _is_current(page: Path, run_dir: Path) -> bool:
    """Tell whether a page was written after the last change of its run."""
    try:
        written = page.stat().st_mtime_ns
        return all(
            file.stat().st_mtime_ns <= written
            for file in run_dir.glob("*.json*")
            if file.name != "verdicts.json"
        )
    except OSError:
        return False


def _opened(page: Path, environ: Mapping[str, str]) -> bool:
    """Open a page in the user's browser; return whether one took it."""
    import webbrowser  # noqa: PLC0415 - 10 ms

    if not any(environ.get(name) for name in _DISPLAYS):
        return False
    try:
        return webbrowser.open(page.absolute().as_uri())
    except (webbrowser.Error, OSError):
        return False
