"""The plugin in a project of somebody else, which has packages and options named as the suite's: measured for real."""

import json
from pathlib import Path

import pytest

from support.pytest_projects import rich_project, run_pytest

pytestmark = pytest.mark.integration

OURS = """
import pytest

@pytest.mark.workload("null")
def test_start_up(replay):
    replay()

def work(n):
    return sorted(reversed(range(n)))

def test_function(tare):
    tare(work, n=[1000])

def test_command(tare):
    tare(["echo", "took {n} s"], n=[3, 4], metrics={"took": {
        "regex": "took ([0-9]+) s", "unit": "s", "direction": "lower", "primary": True}})

@pytest.mark.workload("mine")
def test_mine(replay):
    replay()
"""

MINE = "[workloads.mine]\ncommand = 'true'\n"


def test_workloads_are_measured_and_replayed_in_another_project(tmp_path):
    folder = rich_project(tmp_path / "project")
    (folder / "test_ours.py").write_text(OURS)
    (folder / "tare.toml").write_text(MINE)
    words = ("--seed", "3", "--name", "mine", "--tare-quick", "--tare-blocks", "1", "--tare-name", "theirs")
    done = run_pytest(folder, "-p", "tare.pytest_plugin", "--tare-runners", "bare", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 passed" in done.stdout
    page = folder / done.stdout.splitlines()[-1]
    assert page.name == "index.html"
    assert page.is_file()
    (run,) = Path(folder, "results/runs").iterdir()
    assert json.loads((run / "manifest.json").read_text())["name"] == "theirs"
    kept = json.loads((run / "pytest-benchmark.json").read_text())
    assert {one["params"]["runner"] for one in kept["benchmarks"]} == {"bare", "bare-again"}
    values = {one["name"]: one["stats"]["data"] for one in kept["benchmarks"]}
    assert (values["test_command[bare-n=3]"], values["test_command[bare-again-n=4]"]) == ([3.0], [4.0])
    assert 1e-7 < values["test_function[bare-n=1000]"][0] < 0.05
    assert values["test_mine[bare]"][0] > 0
