"""A project's own workloads in TOML, measured for real: parameters, metrics, files, exit codes, a server and its client."""

import json
import subprocess
import sys

import pytest

import tare

pytestmark = pytest.mark.integration

DEFINITIONS = r"""
[workloads.sort]
command = "sort -n {scratch}/lines"
prepare = ["sh", "-c", "for i in 3 2 1; do echo $((i * 10 + {n})); done > {scratch}/lines"]
cleanup = "rm {scratch}/lines"
parameters = { n = [1, 2] }

[workloads.sort.metrics.smallest]
regex = '^1([0-9])$'

[workloads.report]
command = ["sh", "-c", "read line; echo '{\"got\": [{\"rows\": '$line$LEVEL'}]}'; exit 3"]
stdin = "12\n"
environment = { LEVEL = "5" }
exit_codes = [0, 3]

[workloads.report.metrics.rows]
json = "got.0.rows"
unit = "rows/s"
direction = "higher"
primary = true

[workloads.carried]
family = "files"
command = "cat data/one"
carry = ["data"]

[workloads.bad]
command = ["sh", "-c", "echo no number"]

[workloads.bad.metrics.rate]
regex = "rate: ([0-9]+)"

[workloads.pages]
family = "web"
command = ["sh", "-c", "wget -q -O - http://{address}:{port}/"]

[workloads.pages.metrics.answer]
regex = "answer ([0-9]+)"

[workloads.pages.server]
command = ["sh", "-c", "exec httpd -f -p {listen}:{port} -h {scratch}"]
prepare = ["sh", "-c", "echo answer 42 > {scratch}/index.html"]
ready = { http = "/" }
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Measure the definitions once, in one block, on bare metal and in a container of our own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "tare.toml").write_text(DEFINITIONS)
    (folder / "data").mkdir()
    (folder / "data" / "one").write_text("1\n")
    done = subprocess.run(
        [sys.executable, "-m", "tare", "run", "--quick", "--no-report", "--json", "--blocks", "1", "--runners", "namespaces",
         "-k", "own or files or web"],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr  # one of them fails, as it should
    return tare.load(json.loads(done.stdout)["run"], results=folder / "results/runs")


def test_each_workload_gives_its_own_numbers_in_every_place(run):
    found = {}
    for trial in run.trials():
        if not trial.warmup and not trial.control:
            values = {one.name: one.value for one in trial.metrics}
            found[trial.workload, trial.runner] = (trial.outcome, values, trial.family)
    for runner in ("bare", "namespaces"):
        assert found["sort:n=1", runner][:2] == ("ok", found["sort:n=1", runner][1] | {"smallest": 1})
        assert found["sort:n=2", runner][:2] == ("ok", found["sort:n=2", runner][1] | {"smallest": 2})
        outcome, values, _ = found["report", runner]
        assert (outcome, values["rows"]) == ("ok", 125)
        outcome, values, family = found["pages", runner]
        assert (outcome, values["answer"], family) == ("ok", 42, "web")
        assert 0 < values["command.seconds"] < 10
        assert found["carried", runner][0] == "ok"
        assert found["bad", runner][:2] == ("failed", {})
    assert len(found) == 12


def test_the_one_without_a_number_is_told_and_spoils_no_other(run):
    (reason,) = {group.reason for group in run.failures()}
    assert reason.startswith("bad: rate: no match of 'rate: ([0-9]+)' in the output 'no number'")
