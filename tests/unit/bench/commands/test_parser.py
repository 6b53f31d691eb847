"""A wrong command line ends with 2 and one sentence in our own words, whatever is wrong with it."""

import argparse
import importlib
import subprocess

import pytest

from tare.bench.__main__ import COMMANDS, main
from tare.bench.commands.shared.parser import Parser
from tare.bench.errors import Exit

PYTHONS_WORDS = (
    "invalid literal", "could not convert", "invalid choice", "expected one argument", "unrecognized",
    "usage:", "argument --", "Traceback", "invalid value",
)  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def refused(capsys):
    def ask(*words):
        code = main(words)
        out, err = capsys.readouterr()
        assert (code, out) == (Exit.USAGE, ""), err
        assert err.startswith("tare: ")
        assert err.count("\n") == 1
        assert not any(theirs in err for theirs in PYTHONS_WORDS), err
        return err

    return ask


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rn", "no command 'rn'; did you mean run?"),
        ("baseline lst", "did you mean list?"),
        ("baseline", "ACTION is missing"),
        ("run --quik", "no option --quik; did you mean --quick?"),
        ("run --bugdet=9", "did you mean --budget?"),
        ("export --formt csv", "did you mean --format?"),
        ("baseline save --nme x", "did you mean --name?"),
        ("--quick run", "--quick goes behind the command: tare run --quick"),
        ("-x", "no option -x"),
        ("plan -z", "no option -z"),
        ("export run --format cvs", "did you mean csv?"),
        ("compare a b --format jnuit", "did you mean junit?"),
        ("doctor --fix dcoker", "did you mean docker?"),
        ("compare", "BASE is missing"),
        ("run --seed", "--seed needs a value"),
        ("run --quick --rigorous", "--rigorous cannot be combined with --quick"),
        ("run --quick=3", "--quick takes no value"),
        ("run --q", "write it out"),
        ("run ls -l", "tare run -- ls -l"),
        ("report a b", "cannot use 'b'"),
        ("calibrate --shares x", "such as 3,5,10"),
        ("run --accel kmv", "did you mean kvm?"),
        ("run --", "no command behind --"),
        ("plan --", "no command behind --"),
        ("doctor -- x", "takes no command behind --"),
        ("ab --base a --head b -- c", "give none behind --"),
        ("ab --base-set guest.kernal=x", "did you mean guest.kernel?"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(refused, words, said):
    assert said in refused(*words.split())


def test_an_empty_command_is_none(refused):
    assert "no command behind --" in refused("run", "--", " ")


def choices(parser):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from choices(sub)
        elif action.choices and action.option_strings:
            yield action.option_strings[0], sorted(action.choices)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_choice_of_every_command_is_refused_with_a_suggestion(name, refused):
    parser = Parser(prog="tare")
    importlib.import_module(f"tare.bench.commands.{name}").options(parser)
    for option, known in choices(parser):
        typed = f"{known[0]}x"
        assert f"{option}: cannot use {typed!r}; did you mean {known[0]}?" in refused(name, option, typed)


def test_completions_of_bash_find_commands_and_options(tmp_path, capsys):
    assert main(["--print-completion", "bash"]) == 0
    script = tmp_path / "completions"
    script.write_text(capsys.readouterr().out)
    code = (
        f"source {script}; COMP_WORDS=(tare hist); COMP_CWORD=1; _shtab_tare; echo ${{COMPREPLY[@]}};"
        "COMP_WORDS=(tare run --bud); COMP_CWORD=2; _shtab_tare; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["history", "--budget"]


def test_completions_of_an_unknown_shell_are_refused(capsys):
    assert main(["--print-completion", "fishy"]) == 2
    assert "not 'fishy'" in capsys.readouterr().err
