"""A command of the host is followed to its program, and its arguments to their files."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tare.runners.errors import TareError, UsageError
from tare.runners.images import command as command_module
from tare.runners.images.apply import DEEPEST
from tare.runners.images.command import carry_command
from tare.runners.images.image import ROOT, Program
from tare.runners.images.layers import carried_at
from tare.runners.images.recipe import ImageContent, Recipe

TRUE = Path(shutil.which("true") or "/bin/true").resolve()


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def at(path: Path) -> str:
    """Where the image has it: the test's folders are below /tmp, which places hide."""
    return carried_at(str(path))


def below(path: Path) -> str:
    return at(path).lstrip("/")


def test_a_program_with_its_libraries(path):
    shutil.copy(TRUE, path / "own")
    made = carry_command(["own", "a", "b=c"])
    assert made.program.path == at(path / "own")
    assert made.program.arguments == ("a", "b=c")
    assert below(path / "own") in made.items
    assert made.program.interpreter.lstrip("/") in made.items
    assert any("libc" in name for name in made.items)
    assert made.carried == ()


def test_a_link_is_kept_as_the_name_it_is_called_by(path):
    shutil.copy(TRUE, path / "real")
    (path / "called").symlink_to("real")
    made = carry_command(["called"])
    assert made.program.path == at(path / "called")
    assert made.items[below(path / "called")].target == "real"
    assert made.items[below(path / "real")].kind == "file"


def test_scripts_run_by_their_interpreter(path):
    shutil.copy(TRUE, path / "interpreter")
    inner = script(path / "inner", f"#!{path}/interpreter -x -y\n")
    outer = script(path / "outer", f"#!{inner} -o\n")
    made = carry_command(["outer", "argument"])
    assert made.program.path == at(path / "interpreter")
    # As execve(2) has it: each #! line puts itself in front, its options in one piece.
    assert made.program.arguments == ("-x -y", f"{ROOT}{at(inner)}", "-o", f"{ROOT}{at(outer)}", "argument")
    assert {below(inner), below(outer)} <= made.items.keys()
    assert "is a script" in made.notes[0]


@pytest.mark.parametrize("line", ["#!/usr/bin/env interpreter", "#!/usr/bin/env -S A=1 interpreter"])
def test_env_is_resolved(path, line):
    shutil.copy(TRUE, path / "interpreter")
    script(path / "outer", line + "\n")
    assert carry_command(["outer"]).program.path == at(path / "interpreter")


def test_shims_are_seen_through(tmp_path, monkeypatch):
    real = tmp_path / ".pyenv/versions/x/bin/tool"
    real.parent.mkdir(parents=True)
    shutil.copy(TRUE, real)
    script(tmp_path / ".pyenv/bin/pyenv", f"#!/bin/sh\n[ $1 = which ] && echo {real}\n")
    script(tmp_path / ".pyenv/shims/tool", "#!/usr/bin/env bash\nexec pyenv exec tool\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/.pyenv/shims:{tmp_path}/.pyenv/bin:/usr/bin:/bin")
    assert carry_command(["tool"]).program.path == at(real)


def test_files_that_arguments_name_are_carried(path, tmp_path, monkeypatch):
    shutil.copy(TRUE, path / "own")
    (tmp_path / "data").write_text("x")
    monkeypatch.chdir(tmp_path)
    made = carry_command(
        ["own", "data", f"--file={tmp_path}/data", f"{tmp_path}/data", "/dev/null", "/proc/self/stat", "bin"]
    )
    name = f"{tmp_path}/data"
    assert made.program.arguments == (
        ROOT + at(Path(name)), f"--file={ROOT}{at(Path(name))}", ROOT + at(Path(name)), "/dev/null", "/proc/self/stat", "bin",
    )  # fmt: skip
    assert below(tmp_path / "data") in made.items
    assert set(made.carried) == {name}


def test_folders_that_arguments_name_are_carried_whole(path, tmp_path, monkeypatch):
    shutil.copy(TRUE, path / "own")
    folder = tmp_path / "data"
    (folder / "in/empty").mkdir(parents=True)
    (folder / "in/file").write_text("x")
    monkeypatch.chdir(folder)
    made = carry_command(
        ["own", str(folder), "in", "./in", ".", f"--into={folder}/in", "/tmp", "/proc", "/dev"]
    )
    assert made.program.arguments == (
        ROOT + at(folder), "in", f"{ROOT}{at(folder)}/in", ROOT + at(folder), f"--into={ROOT}{at(folder)}/in",
        "/tmp", "/proc", "/dev",
    )  # fmt: skip
    assert made.items[below(folder / "in/file")].kind == "file"
    assert made.items[below(folder / "in/empty")].kind == "folder"


def test_a_folder_that_is_too_large_is_refused_by_name(path, tmp_path, monkeypatch):
    shutil.copy(TRUE, path / "own")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_bytes(bytes(4 << 20))
    monkeypatch.setattr(command_module, "LIMIT_BYTES", 3 << 20)
    with pytest.raises(TareError, match=r"the folder .*/data has 4 MB.*Name a smaller one"):
        carry_command(["own", f"{tmp_path}/data"])


def test_the_root_folder_as_an_argument_is_refused(path):
    shutil.copy(TRUE, path / "own")
    with pytest.raises(TareError, match="differs in every place"):
        carry_command(["own", "/"])


@pytest.mark.parametrize("line", [b"#!/bin/sh\r\n", b"#! /bin/sh\r\n", b"#!/bin/sh -e\r\n"])
def test_a_carriage_return_is_a_part_of_the_name_as_for_the_kernel(path, line):
    (path / "own").write_bytes(line + b"exit 0\n")
    (path / "own").chmod(0o755)
    with pytest.raises(TareError, match="carriage return"):
        carry_command(["own"])


def test_tabs_part_the_words_of_a_script_line(path):
    shutil.copy(TRUE, path / "interpreter")
    script(path / "own", f"#!\t{path}/interpreter\t -x  \n")
    made = carry_command(["own"])
    assert made.program.arguments[0] == "-x"


def test_extra_files_programs_and_folders(path, tmp_path):
    shutil.copy(TRUE, path / "own")
    shutil.copy(TRUE, path / "other")
    (tmp_path / "folder/sub").mkdir(parents=True)
    (tmp_path / "folder/sub/x").write_text("x")
    made = carry_command(["own"], [path / "other", tmp_path / "folder"])
    assert {below(path / "other"), below(tmp_path / "folder/sub/x")} <= made.items.keys()


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("absent", "not on PATH"),
        ("./absent", "no such file"),
        ("{}/plain", "not executable"),
        ("noise", "neither a program"),
        ("setuid", "set-uid"),
        ("circle", "lead on"),
        ("empty", "names no program"),
        ("headless", "cannot be run"),
    ],
)
def test_what_cannot_be_carried_is_told(path, what, complaint):
    (path / "plain").write_text("text")
    script(path / "noise", "noise")
    shutil.copy(TRUE, path / "setuid")
    (path / "setuid").chmod(0o4755)
    script(path / "circle", f"#!{path}/circle\n")
    script(path / "empty", "#!\n")
    script(path / "headless", "#!/nonexistent/interpreter\n")
    with pytest.raises(TareError, match=complaint):
        carry_command([what.format(path)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_program(path):
    shutil.copy(TRUE, path / "own")
    (path / "own").chmod(0o111)
    with pytest.raises(TareError, match=r"not readable|not read|cannot be read"):
        carry_command(["own"])


def test_too_large(path, tmp_path, monkeypatch):
    shutil.copy(TRUE, path / "own")
    monkeypatch.setattr(command_module, "LIMIT_BYTES", 100)
    with pytest.raises(TareError, match="smaller environment"):
        carry_command(["own"])


@pytest.mark.parametrize("bad", ["/", "/dev/null", "/proc/self"])
def test_what_places_have_of_their_own(path, bad):
    shutil.copy(TRUE, path / "own")
    with pytest.raises(TareError, match="cannot be carried"):
        carry_command(["own"], [Path(bad)])


@pytest.mark.slow
def test_python_leaves_out_what_is_not_imported(monkeypatch):
    monkeypatch.setattr(command_module, "ALL_PACKAGES_BYTES", 0)
    made = carry_command([sys.executable, "-c", "import jinja2"])
    assert any(name.endswith("jinja2/environment.py") for name in made.interpreter)
    assert any("markupsafe" in name for name in made.interpreter)
    assert not any("/numpy/" in name for name in made.interpreter)
    assert "jinja2" in made.notes[0]
    assert made.program.environ["PYTHONHOME"].startswith(f"{ROOT}/")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("./nothere", "no such file"),
        ("./folder", "it is a folder"),
        (".", "not on PATH"),
        ("./plain", "chmod [+]x ./plain"),
        ("plain", "the one in this folder is ./plain"),
        ("nosuchprogram", "not on PATH"),
        ("", "begins with the name of a program"),
    ],
)
def test_a_command_that_cannot_be_run_is_a_usage_error_that_says_why(command, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=why):
        carry_command([command])


def test_a_path_to_carry_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such file or folder"):
        carry_command([str(TRUE)], [tmp_path / "nothere"])


def test_a_fifo_is_neither_run_nor_carried(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match="cannot be run: it is a FIFO"):
        carry_command([str(tmp_path / "fifo")])
    with pytest.raises(UsageError, match="cannot be carried into the image: it is a FIFO"):
        carry_command([str(TRUE)], [tmp_path / "fifo"])


def test_folders_that_are_too_deep_are_refused(tmp_path):
    deep = tmp_path / "data" / "/".join("d" * (DEEPEST + 1))
    deep.mkdir(parents=True)
    with pytest.raises(UsageError, match="levels deep"):
        carry_command(["/bin/true"], carry=[tmp_path / "data"])


@pytest.fixture
def interpreter(monkeypatch):
    """Stand for a Python: a program that is called so, and one file of its library."""

    def fill(own, carrier, chain, command):
        del chain
        carrier.items.text("/usr/lib/python/os.py", "library")
        return Program("/usr/bin/python3", "", (), "", "system", arguments=tuple(command)), ()

    monkeypatch.setattr(command_module, "_is_python", lambda _path: True)
    monkeypatch.setattr(command_module, "_python_program", fill)


def layers_of(versions) -> list[tuple[str, list[str]]]:
    recipe = Recipe(None)
    recipe.add_commands(ImageContent(programs=(), versions=versions))
    assert list(recipe.programs) == list(versions)
    return [(name, sorted(items)) for name, items in recipe.layers]


def test_commands_of_one_python_share_its_layer_and_those_of_one_script_that_as_well(interpreter, tmp_path):
    one, other = script(tmp_path / "one.py", "1"), script(tmp_path / "other.py", "2")
    versions = {"a": ("true", str(one), "n=1"), "b": ("true", str(one), "n=2"), "c": ("true", str(other))}
    assert layers_of(versions) == [
        ("interpreter", ["usr/lib/python/os.py"]),
        ("a", [below(one)]),
        ("c", [below(other)]),
    ]


def test_a_command_of_an_interpreter_alone_has_no_layer_of_its_own(interpreter):
    assert [name for name, _ in layers_of({"a": ("true", "-c", "pass")})] == ["interpreter"]


def test_runs_of_one_program_with_different_arguments_are_one_layer(path):
    shutil.copy(TRUE, path / "own")
    assert [name for name, _ in layers_of({"a": ("own", "1"), "b": ("own", "2")})] == ["a"]
