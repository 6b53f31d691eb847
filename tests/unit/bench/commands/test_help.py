"""``--help`` speaks the language of the terminal: every text of every parser has a translation, and none is left over."""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import pytest

from support.korean_pages import english_lines
from support.paths import ROOT
from tare.bench.__main__ import COMMANDS, build_parser, main
from tare.bench.commands.shared.help import speak
from tare.bench.request.declarations import by_key
from tare.bench.request.language import KEY, VARIABLE
from tare.reports.text.columns import width
from tare.reports.text.words import helps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@cache
def parsers() -> tuple[argparse.ArgumentParser, ...]:
    """Give the parser of the whole command line, and those of all commands and their actions."""
    return tuple(below(build_parser(*COMMANDS)[0]))


def commands_of(
    parser: argparse.ArgumentParser,
) -> Iterator[argparse._SubParsersAction[argparse.ArgumentParser]]:
    yield from (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))


def below(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in commands_of(parser):
        for one in action.choices.values():
            yield from below(one)


def texts_of(parser: argparse.ArgumentParser) -> set[str]:
    """Collect what the help of a parser is made of, as argparse prints it."""
    expand = parser._get_formatter()._expand_help
    groups = [group for group in parser._action_groups if group._group_actions]
    helped = (
        *parser._actions, *(one for action in commands_of(parser) for one in action._choices_actions)
    )  # fmt: skip
    return {
        text
        for text in (
            parser.description,
            parser.epilog,
            *(text for group in groups for text in (group.title, group.description)),
            *(expand(action) for action in helped if action.help),
        )
        if text
    }


def test_every_text_of_every_parser_has_a_translation_and_there_is_no_other() -> None:
    found = set().union(*map(texts_of, parsers()))
    assert len(found) > 190
    translated = set(helps("ko"))
    assert found - translated == set(), "a new or changed text of --help needs its Korean in help-ko.toml"
    assert translated - found <= {"usage:", "positional arguments"}


def test_translations_are_korean_and_keep_variables_options_and_defaults() -> None:
    texts = helps("ko")
    assert [text for text in texts.values() if not re.search("[가-힣]", text)] == []
    kept = re.compile(r"\[\$\w+\]|(?<![\w-])--[a-z-]+|[A-Z]{2,}@?[A-Z]+|\d+[A-Za-z]?(?![\dA-Za-z])")
    assert {
        text: lost
        for text, told in texts.items()
        if (lost := set(kept.findall(text)) - set(kept.findall(told)) - {"CMD", "ARGS", "JSON", "CSV"})
    } == {}


@pytest.mark.parametrize("of", parsers(), ids=lambda one: one.prog)
def test_help_in_korean_has_no_english_and_fits_the_terminal(
    of: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    (parser,) = (one for one in below(build_parser(*of.prog.split()[1:2])[0]) if one.prog == of.prog)
    speak(parser, "ko")
    told = parser.format_help()
    assert told.startswith(f"사용법: {of.prog} [-h]")
    assert english_lines(told) == []
    assert not re.search(r"\d %", told), "a percentage stands without a blank"
    assert [line for line in told.splitlines() if width(line) > 80 and len(line.split()) > 1] == []
    (second,) = re.findall(rf"^사용법: {of.prog} .*\n( +)\S", told) or [""]
    assert len(second) in {0, width(f"사용법: {of.prog} ")}, "the usage is lined up below its first option"


@pytest.mark.parametrize(
    "line",
    ["--help --lang ko", "--lang ko --help", "list --help --lang ko", "list --lang=ko -h", "--lang ko list -h",
     "--config {} list -h", "store push -h --config {}"],
)  # fmt: skip
def test_an_option_chooses_the_language_of_help_wherever_it_stands(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    settings = tmp_path / "tare.toml"
    settings.write_text('[run]\nlanguage = "ko"\n')
    assert main(line.format(settings).split()) == 0
    assert capsys.readouterr().out.startswith("사용법: tare ")


def test_a_variable_and_the_settings_file_choose_it_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(["list", "-h"]) == 0
    assert capsys.readouterr().out.startswith("usage: tare list")
    (tmp_path / "tare.toml").write_text('[run]\nlanguage = "ko"\n')
    assert main([]) == 2
    assert capsys.readouterr().out.startswith("사용법: tare [-h]")
    monkeypatch.setenv(VARIABLE, "en")
    assert main(["list", "-h"]) == 0
    assert capsys.readouterr().out.startswith("usage: tare list")


def test_the_variable_is_that_of_the_setting() -> None:
    assert by_key()[KEY].variable == VARIABLE


def test_a_command_behind_dashes_keeps_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--", "true", "--help"]) == 2
    assert "takes no command" in capsys.readouterr().err


HEAVY = (
    "tomllib", "msgspec", "numpy", "tare.reports.text.words", "tare.bench.commands.shared.help",
    "tare.bench.request.declarations", "tare.reports.model",
)  # fmt: skip


@pytest.mark.slow
def test_english_help_loads_neither_catalogues_nor_declarations(tmp_path: Path) -> None:
    program = (
        "import sys; from tare.bench.__main__ import main; main(['--help']);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env={"PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("usage: tare")
    assert done.stdout.endswith("[]\n")


def test_no_two_commands_declare_the_same_argument_in_words_of_their_own() -> None:
    found: Counter[tuple[str, ...]] = Counter()
    for path in (ROOT / "bench/commands").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr="add_argument"), args=[ast.Constant(value=str(name))]):
                    words = [ast.unparse(one) for one in node.keywords]
                    found[name, *words] += not name.startswith("-")
    assert ("reference", "nargs='?'") in {one[:2] for one in found}
    assert [one for one, times in found.items() if times > 1] == []
