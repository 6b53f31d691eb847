"""Make small projects with tests of their own, and run pytest in them as their owners would."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("bench", "results", "reports", "runners")
"""Names of the suite's folders, which other projects may have as packages."""

CONFTEST = """
def pytest_addoption(parser):
    for name in ("seed", "profile", "name"):
        parser.addoption(f"--{name}", default="none")
"""

TESTS = """
import bench, results, reports, runners
import tare.bench, tare.results

def test_packages_are_the_projects():
    for package in (bench, results, reports, runners):
        assert package.OWN

def test_options_are_the_projects(request):
    option = request.config.option
    assert (option.seed, option.profile, option.name) == ("3", "none", "mine")
"""


def rich_project(folder: Path) -> Path:
    """Make a project that owns packages and options named as the suite's."""
    for name in PACKAGES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("OWN = True\n")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_own.py").write_text(TESTS)
    return folder


def run_pytest(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, without what the suite's own tests are configured with."""
    argv = [sys.executable, "-m", "pytest", "--rootdir", str(folder), "-p", "no:cacheprovider", *words]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
