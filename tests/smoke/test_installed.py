"""Check the wheel in an environment that has it and what it requires, and nothing else; see ``nox -s smoke``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest

from tare.bench.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("bench", "runners", "results", "reports")
MADE_HERE = (Path("results/runs"), Path("results/baselines"), Path("reports/out"))
"""Folders of the repository that measuring fills."""

TARE = Path(sys.executable).with_name("tare")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project, as the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("PYTHONPATH", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def clashing(project):
    """A project with packages and options of the names that Tare's folders and settings have."""
    for part in PARTS:
        (project / part).mkdir()
        (project / part / "__init__.py").write_text(f"HERE = {part!r}\n")
    (project / "conftest.py").write_text(
        "def pytest_addoption(parser):\n"
        "    for name in ('--seed', '--profile', '--name'):\n"
        "        parser.addoption(name)\n"
    )
    (project / "test_own.py").write_text(
        "import bench, reports, results, runners\n"
        "def test_own(request):\n"
        "    assert [m.HERE for m in (bench, runners, results, reports)] == "
        "['bench', 'runners', 'results', 'reports']\n"
        "    assert request.config.getoption('--seed') == '7'\n"
    )
    return project


def run(*command, code=0, **environ):
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, env=os.environ | environ
    )
    assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def installed():
    """Give the wheel's files in site-packages; what ``pip`` added beside them is outside of it."""
    files = [Path(str(path)) for path in distribution("tarebench").files or ()]
    return [path for path in files if path.parts[0] != ".." and path.suffix != ".pyc"]


def test_one_name_is_installed():
    names = {path.parts[0] for path in installed()}
    (information,) = names - {"tare"}
    assert information.startswith("tarebench-")
    assert information.endswith(".dist-info")


def test_every_file_of_the_packages_is_installed_and_no_result():
    expected = {
        path.relative_to(ROOT)
        for part in PARTS
        for path in (ROOT / part).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    expected = {path for path in expected if not any(path.is_relative_to(folder) for folder in MADE_HERE)}
    own = ROOT / "src" / "tare"
    expected |= {path.relative_to(own) for path in own.glob("*.*") if path.is_file()}
    found = {path.relative_to("tare") for path in installed() if path.parts[0] == "tare"}
    assert found == expected


def test_manual_pages_are_installed_where_man_looks_for_them():
    folder = Path(sys.prefix, "share", "man", "man1")
    assert {f"tare-{name}.1" for name in COMMANDS} | {"tare.1"} == {
        path.name for path in folder.glob("tare*.1")
    }


def test_nothing_registers_itself_with_pytest():
    assert [entry for entry in entry_points(group="pytest11") if entry.value.startswith("tare")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(project, command):
    assert f"usage: tare {command}" in run(TARE, command, "--help")


def test_doctor_without_extras(project):
    assert "namespaces" in run(TARE, "doctor")
    found = json.loads(run(TARE, "doctor", "--json"))
    assert "bare" in found["runners"]
    assert "tarebench[cri]" in found["runners"]["containerd"]["remedy"]


def test_plan_run_and_report(project):
    options = ("--runners", "bare,namespaces", "-k", "null", "--budget", "5")
    assert "null" in run(TARE, "plan", *options)
    where = run(TARE, "run", "--quick", *options).splitlines()[-1]
    assert "</html>" in (project / where).read_text("utf-8")
    run(TARE, "export", "latest", "--format", "csv")


def test_pytest_in_an_empty_project(project):
    run(sys.executable, "-m", "pytest", code=5)
    assert "tare" not in run(sys.executable, "-m", "pytest", "--help")


def test_a_project_with_packages_of_the_same_names(clashing):
    assert "1 passed" in run(sys.executable, "-m", "pytest", "--seed", "7")
    assert "usage: tare" in run(TARE, "--help", PYTHONPATH=".")
    assert "null" in run(TARE, "plan", "--runners", "bare", "-k", "null", PYTHONPATH=".")


def test_the_plugin_beside_options_of_the_same_names(clashing):
    pytest_with_tare = (sys.executable, "-m", "pytest", "-p", "tare.pytest_plugin")
    assert "--tare-seed" in run(*pytest_with_tare, "--help")
    assert "1 passed" in run(*pytest_with_tare, "--seed", "7", "test_own.py")
