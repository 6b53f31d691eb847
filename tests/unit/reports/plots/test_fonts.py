"""Fonts are found wherever Matplotlib's own list stands, and nothing is said on stderr."""

import logging
import warnings
from pathlib import Path

import matplotlib as mpl
import pytest
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from matplotlib import font_manager

from tare.reports.plots import fonts, style


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Give a host's fonts: a small one that bears the name of one with Hangul, and a file that is none."""
    made = TTFont(Path(mpl.get_data_path()) / "fonts/ttf/cmss10.ttf")
    for record in made["name"].names:
        if record.nameID in {1, 4, 6, 16}:
            record.string = "NanumGothic".encode(record.getEncoding())
    path = tmp_path / "own.ttf"
    made.save(path)
    (tmp_path / "broken.ttf").write_bytes(b"none")
    files = [str(tmp_path / "broken.ttf"), str(path)]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: files)
    known = [entry for entry in font_manager.fontManager.ttflist if entry.name not in fonts.CJK_FONTS]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", known)
    fonts.cjk_font.cache_clear()
    yield path
    fonts.cjk_font.cache_clear()


def test_a_font_that_is_not_in_matplotlibs_list_is_found(installed):
    assert fonts.cjk_font() == "NanumGothic"
    assert font_manager.findfont("NanumGothic") == str(installed)


def test_a_font_in_the_list_whose_file_is_gone_does_not_count(installed):
    fonts.cjk_font()
    installed.unlink()
    fonts.cjk_font.cache_clear()
    assert fonts.cjk_font() is None
    assert "NanumGothic" not in {entry.name for entry in font_manager.fontManager.ttflist}


def test_drawing_logs_nothing_and_leaves_logging_as_it_was(caplog):
    before = logging.getLogger("matplotlib").level
    with style.styled():
        font_manager.findfont("No Such Family")
        logging.getLogger("matplotlib").warning("a home that cannot be written")
    assert caplog.records == []
    assert logging.getLogger("matplotlib").level == before


def test_letters_without_a_font_are_collected_and_other_warnings_stay():
    boxes = set()

    def draw():
        with fonts.missing_glyphs(boxes):
            warnings.warn("Glyph 44032 (\\N{HANGUL SYLLABLE GA}) missing from font(s) DejaVu.", stacklevel=1)
            warnings.warn("something else", stacklevel=1)

    with pytest.warns(UserWarning, match="something else"):
        draw()
    assert boxes == {"가"}
