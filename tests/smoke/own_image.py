"""Run the image of Tare itself by Podman; ``nox -s image`` builds it and names the archive in ``OWN_IMAGE``."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from tare.results.storage.load import load_run
from tare.runners.containers.engines.podman_home import ulimits

NAME = "localhost/tare-own-image:test"
AS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="places of their own in a container take root's Podman"
)


@pytest.fixture(scope="module")
def podman():
    """Give a function that runs the image, which is removed at the end."""
    if not shutil.which("podman"):
        pytest.skip("podman is not installed: `apt-get install podman`")
    subprocess.run(
        ["podman", "load", "--quiet", "-i", os.environ["OWN_IMAGE"]], check=True, stdout=subprocess.DEVNULL
    )

    def run(*words, options=()):
        argv = ["podman", "run", "--rm", "--network", "none", *ulimits(), *options, NAME, *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)

    yield run
    subprocess.run(["podman", "rmi", "--force", NAME], check=True, stdout=subprocess.DEVNULL)


def test_it_is_tare(podman):
    done = podman("--version")
    assert (done.returncode, done.stdout) == (0, f"tare {version('tarebench')}\n"), done.stderr


@pytest.mark.parametrize("words", [("config", "--show-origin"), ("doctor",), ("--print-completion", "bash")])
def test_commands_work_in_it(podman, words):
    done = podman(*words)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 20


@AS_ROOT
def test_it_measures_without_a_compiler_and_reports(podman, tmp_path):
    words = ("run", "--runners", "bare,namespaces", "-k", "null", "--blocks", "2", "--offline")
    done = podman(
        *(*words, "--results-dir", "/out/runs", "--reports-dir", "/out/reports"),
        options=("--privileged", "-v", f"{tmp_path}:/out"),
    )
    assert done.returncode == 0, done.stderr
    (run,) = Path(tmp_path, "runs").iterdir()
    stored = load_run(run)
    assert stored.manifest.status == "complete"
    assert {trial.runner for trial in stored.trials() if trial.outcome == "ok"} >= {"bare", "namespaces"}
    assert Path(tmp_path, "reports", run.name, "index.html").stat().st_size > 10_000
