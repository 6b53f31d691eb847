"""The settings file of a project is found in the folders above, and no stranger's."""

import os
import stat
from pathlib import Path

import pytest

from tare.bench.own.files import own_files, read_own
from tare.bench.settings_files import nearest_file, project_file, tables_of, user_file
from tare.runners.errors import UsageError

OURS = "[tool.tare.run]\nseed = 3\n"
OTHERS = "[project]\nname = 'tarebench'\n[tool.ruff]\nline-length = 3\n"


@pytest.fixture
def below(tmp_path, monkeypatch):
    """A working directory two folders below a project's."""
    folder = tmp_path / "project" / "src" / "deep"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return tmp_path / "project"


def test_the_nearest_of_both_kinds_of_file_is_chosen(below):
    assert nearest_file() is None
    (below.parent / "tare.toml").touch()
    assert nearest_file() == below.parent / "tare.toml"
    (below / "pyproject.toml").write_text(OURS)
    assert nearest_file() == below / "pyproject.toml"
    (below / "tare.toml").touch()
    assert nearest_file() == below / "tare.toml"
    (below / "src" / "deep" / "pyproject.toml").write_text(OTHERS)
    assert nearest_file() == below / "tare.toml"
    Path("tare.toml").touch()
    assert nearest_file() == Path("tare.toml")


@pytest.mark.parametrize("ours", [OURS, "tool.tare.run.seed = 3\n", "[tool]\ntare.run.seed = 3\n"])
def test_all_spellings_of_the_table_are_found_and_read(below, ours):
    Path("pyproject.toml").write_text(ours)
    assert nearest_file() == Path("pyproject.toml")
    assert tables_of(Path("pyproject.toml")) == {"run": {"seed": 3}}


@pytest.mark.parametrize("content", ["[tarebench\n", "# tare\n" + "#" * 200_000, OTHERS])
def test_a_pyproject_that_does_not_concern_tare_is_passed_over_whatever_is_in_it(below, content):
    Path("pyproject.toml").write_text(content)
    (below / "tare.toml").touch()
    assert nearest_file() == below / "tare.toml"


@pytest.mark.parametrize(
    ("content", "said"), [("[tool.tare.run\n", "cannot be used"), ("[tool]\ntare = 3\n", "must be a table")]
)
def test_a_damaged_table_of_ours_is_named(below, content, said):
    Path("pyproject.toml").write_text(content)
    with pytest.raises(UsageError, match=rf"pyproject\.toml.*{said}"):
        tables_of(nearest_file())


def test_a_folder_that_everybody_may_write_to_is_passed_over_on_the_way_up(below, monkeypatch):
    (below / "tare.toml").touch()
    below.chmod(below.stat().st_mode | stat.S_IWOTH)
    assert nearest_file() is None
    monkeypatch.chdir(below)
    assert nearest_file() == Path("tare.toml")


@pytest.mark.parametrize("target", ["tare.toml", "gone"])
def test_a_link_that_leads_nowhere_is_told_and_not_passed_over(below, monkeypatch, target):
    monkeypatch.chdir(below)
    Path("tare.toml").symlink_to(target)
    assert own_files() == (Path("tare.toml"),)
    with pytest.raises(UsageError, match=r"tare\.toml cannot be read: (Too many levels|No such file)"):
        tables_of(nearest_file())


def test_a_fifo_is_told_and_not_waited_for(below, monkeypatch):
    monkeypatch.chdir(below)
    os.mkfifo("tare.toml")
    with pytest.raises(UsageError, match="it is a FIFO, a socket or a device"):
        tables_of(nearest_file())


def test_a_working_directory_that_is_gone_has_no_file(below, monkeypatch):
    gone = below / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert nearest_file() is None


def test_a_file_asked_for_by_name_is_taken_and_has_to_be_there(below, monkeypatch):
    Path("tare.toml").touch()
    (below / "ci.toml").touch()
    environ = {"TARE_CONFIG": str(below / "ci.toml")}
    assert project_file(None, {"TARE_CONFIG": ""}) == Path("tare.toml")
    assert project_file(None, environ) == below / "ci.toml"
    assert project_file(Path("tare.toml"), environ) == Path("tare.toml")
    with pytest.raises(UsageError, match=r"^\$TARE_CONFIG gone: there is no such file"):
        project_file(None, {"TARE_CONFIG": "gone"})
    monkeypatch.setenv("TARE_CONFIG", "gone")
    with pytest.raises(UsageError, match=r"^\$TARE_CONFIG gone: there is no such file"):
        own_files()


def test_the_users_file_is_where_xdg_says(tmp_path):
    for folder in ("xdg", "home/.config"):
        (tmp_path / folder / "tare").mkdir(parents=True)
        (tmp_path / folder / "tare" / "tare.toml").touch()
    home = {"HOME": str(tmp_path / "home")}
    assert user_file({**home, "XDG_CONFIG_HOME": str(tmp_path / "xdg")}) == tmp_path / "xdg/tare/tare.toml"
    assert user_file(home) == tmp_path / "home/.config/tare/tare.toml"
    assert user_file({**home, "XDG_CONFIG_HOME": "relative"}) == tmp_path / "home/.config/tare/tare.toml"
    assert user_file({"HOME": str(tmp_path)}) is None
    assert user_file({}) is None


def test_definitions_may_be_in_the_pyproject_of_the_working_directory_and_in_none_above(below, monkeypatch):
    (below / "pyproject.toml").write_text('[tool.tare.workloads.mine]\ncommand = "true"\n')
    assert own_files() == ()
    monkeypatch.chdir(below)
    assert list(read_own(own_files())) == ["mine"]
    Path("pyproject.toml").write_text('[tool.tare.workloads.mine]\ncommand = "true"\ntimeout = -1\n')
    with pytest.raises(UsageError, match=r"^pyproject\.toml:3: mine\.timeout: "):
        read_own(own_files())
