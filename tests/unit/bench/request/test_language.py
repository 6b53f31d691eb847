"""The language of the terminal: one choice for every command, and for errors that the command line itself makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tare.bench.__main__ import main
from tare.bench.request.language import language_of

if TYPE_CHECKING:
    from pathlib import Path

KOREAN = '[run]\nlanguage = "ko"\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TARE_LANG", raising=False)
    return tmp_path


def test_the_option_has_the_say_before_the_variable_and_files(here: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(here / "user")}
    assert language_of(None, None, environ) == "en"
    (here / "user/tare").mkdir(parents=True)
    (here / "user/tare/tare.toml").write_text(KOREAN)
    assert language_of(None, None, environ) == "ko"
    (here / "tare.toml").write_text(KOREAN.replace("ko", "en"))
    assert language_of(None, None, environ) == "en"
    assert language_of(None, None, environ | {"TARE_LANG": "ko"}) == "ko"
    assert language_of("en", None, environ | {"TARE_LANG": "ko"}) == "en"


@pytest.mark.parametrize(
    "content", ["[run", '[run]\nlanguage = "fr"\n', "run = 1\n", "[run]\nlanguage = 1\n"]
)
def test_a_layer_that_cannot_be_used_is_passed_over(here: Path, content: str) -> None:
    (here / "tare.toml").write_text(content)
    assert language_of(None, None, {}) == "en"
    assert language_of("fr", None, {"TARE_LANG": "ko"}) == "ko"
    assert language_of(None, here / "none.toml", {"TARE_LANG": "ko"}) == "ko"


def test_errors_of_the_command_line_are_in_the_language_of_the_settings_file(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "tare.toml").write_text(KOREAN)
    for line in ("list --no-such", "store", "list --label x"):
        assert main(line.split()) == 2
        assert "세요" in capsys.readouterr().err, line
    (here / "tare.toml").rename(here / "other.toml")
    assert main(["list", "--no-such", "--config", "other.toml"]) == 2
    assert "세요" in capsys.readouterr().err
