"""Helper programs get no input, and what they say is text whatever they say; nothing calls one in another way."""

import ast
import subprocess
import sys

import pytest

from support.imports import modules, tree
from tare.runners.host.programs import run_quietly

PYTHON = (sys.executable, "-I", "-c")


def test_it_has_no_input_and_says_what_is_no_text():
    done = run_quietly(
        [*PYTHON, r"import sys; sys.stdout.buffer.write(b'a\xff' + sys.stdin.buffer.read()); exit(3)"]
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "a�", "")


def test_its_surroundings_are_the_ones_given(tmp_path):
    done = run_quietly(
        [*PYTHON, "import os; print(os.environ['A'], os.getcwd())"], env={"A": "b"}, cwd=tmp_path
    )
    assert done.stdout == f"b {tmp_path}\n"


def test_one_that_hangs_is_killed_and_one_that_is_not_there_is_an_error():
    with pytest.raises(subprocess.TimeoutExpired):
        run_quietly(["/bin/sleep", "60"], timeout=0.01)
    with pytest.raises(FileNotFoundError):
        run_quietly(["/nowhere/ip"])


def test_no_program_whose_words_are_read_is_called_with_the_users_terminal_as_its_input():
    found = [
        f"{name}:{node.lineno}"
        for name, path in modules().items()
        if "subprocess.run" in path.read_text("utf-8")
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "subprocess.run"
        if (given := {each.arg for each in node.keywords}) >= {"capture_output"}
        and not given & {"input", "stdin"}
    ]
    assert found == []
