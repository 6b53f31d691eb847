"""Find the fonts of figures, without a word on stderr.

Matplotlib keeps a list of the fonts that it once found and looks no further, so a font installed since is missing from
it, and one removed since is still in it; of both it complains for every text that it draws.
"""

from __future__ import annotations

import logging
import re
import warnings
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CJK_FONTS = (
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "Noto Sans KR",
    "NanumGothic",
    "Malgun Gothic",
    "UnDotum",
    "Baekmuk Dotum",
)
"""Fonts with Hangul, best first."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Matplotlib from logging warnings to stderr: of fonts, of its cache, of a home that cannot be written."""
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def missing_glyphs(into: set[str]) -> Iterator[None]:
    """Collect the characters that no font has, instead of warning of each; other warnings are shown as ever."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        if found := re.match(r"Glyph (\d+) .*missing from", str(warning.message), re.DOTALL):
            into.add(chr(int(found[1])))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


@cache
def cjk_font() -> str | None:
    """Name an installed font that has Hangul; ``None`` if there is none."""
    with quiet():
        return _listed() or _found_afresh()


def _listed() -> str | None:
    """Look into Matplotlib's own list, passing over files that are gone."""
    from matplotlib.font_manager import fontManager  # noqa: PLC0415

    files = {entry.name: entry.fname for entry in fontManager.ttflist if entry.name in CJK_FONTS}
    return next((name for name in CJK_FONTS if name in files and Path(files[name]).is_file()), None)


def _found_afresh() -> str | None:
    """Add those of the host's fonts to Matplotlib's list that are not in it, and look again."""
    from matplotlib.font_manager import findSystemFonts, fontManager  # noqa: PLC0415

    listed = {entry.fname for entry in fontManager.ttflist}
    fontManager.ttflist[:] = [entry for entry in fontManager.ttflist if Path(entry.fname).is_file()]
    for path in findSystemFonts():
        if path not in listed:
            try:
                fontManager.addfont(path)
            except (OSError, RuntimeError, ValueError):  # no font that FreeType can read
                continue
    return _listed()
