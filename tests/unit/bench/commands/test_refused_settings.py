"""A setting that turns out to make no sense only when it is used is named by the layer that it comes from."""

import pytest

from tare.bench import __main__ as main_module
from tare.bench.__main__ import main
from tare.bench.errors import Exit
from tare.bench.request.layers import add_options
from tare.reports.text.words import words as loaded_words
from tare.results.said import say
from tare.runners.errors import SettingRefused

LATE = {
    "limits.cpus": ("--cpus", "9999"),
    "limits.cpuset": ("--cpuset", "9999"),
    "limits.memory": ("--memory", "'1000K'"),
    "run.keyword": ("-k", "'a or'"),
    "run.runners": ("--runners", "'3'"),
    "run.tools": ("--tools", "'rnc=/x'"),
}
"""Key → option and a value that can be read, and is refused later."""


class Refuses:
    """A command that refuses one of its settings."""

    @staticmethod
    def options(parser):
        add_options(parser, "run", "output")

    @staticmethod
    def run(_arguments):
        raise SettingRefused("--runners", say("runner.unknown", "{name!r} {wrong}", name="x", wrong="y"))


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TARE_LANG", raising=False)
    return tmp_path


def test_a_keyword_that_selects_nothing_names_the_file_and_the_key(project, capsys):
    (project / "tare.toml").write_text("[run]\nrunners = 'bare'\nkeyword = 'null and not null'\n")
    assert main(["plan"]) == Exit.USAGE
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("tare: run.keyword in tare.toml: 'null and not null' selects no workload; ")


@pytest.mark.parametrize("key", LATE)
def test_the_file_and_the_key_are_named(project, capsys, key):
    table, _, name = key.partition(".")
    (project / "tare.toml").write_text(f"[{table}]\n{name} = {LATE[key][1]}\n")
    assert main(["plan"]) == Exit.USAGE
    assert capsys.readouterr().err.startswith(f"tare: {key} in tare.toml: ")


@pytest.mark.parametrize(
    ("words", "environ", "named"),
    [
        (["--runners", "x"], {}, "--runners"),
        ([], {"TARE_RUNNERS": "x"}, "$TARE_RUNNERS"),
        ([], {}, "--runners"),
    ],
)
def test_each_layer_is_named_as_in_other_errors(monkeypatch, capsys, words, environ, named):
    loaded_words("ko")  # by import_module, which is another one below
    monkeypatch.setattr("importlib.import_module", lambda _name: Refuses)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main_module.main(["plan", *words]) == Exit.USAGE
    assert capsys.readouterr().err == f"tare: {named}: 'x' y\n"
    assert main_module.main(["plan", "--lang", "ko", *words]) == Exit.USAGE
    assert capsys.readouterr().err == f"tare: {named}: 러너 'x'는 없음: y\n"
