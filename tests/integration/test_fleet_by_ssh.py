"""Two hosts in network namespaces, reached by a real ssh server on each, and a third that nothing answers at."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.hosts_in_namespaces import SSHD, Hosts, why_not
from tare.bench.errors import Exit
from tare.results.storage.fleet import read_fleet
from tare.results.storage.load import load_run
from tare.runners.provision.cache import default_cache

pytestmark = [pytest.mark.integration, pytest.mark.kvm]  # beside the other fleet; it needs no KVM


def missing():
    """Say why there can be no such hosts here."""
    if not Path(SSHD).is_file() or shutil.which("ssh") is None:
        return "no ssh server here: apt install openssh-server"
    return why_not()


def test_two_hosts_measure_and_one_cannot_be_reached(tmp_path):
    if reason := missing():
        pytest.skip(reason)
    results = tmp_path / "runs"
    with Hosts(tmp_path, by_ssh=True) as hosts:
        hosts.add("north")
        hosts.add("south")
        command = (
            *("tare", "fleet", "--hosts", "north,south,nowhere.invalid", "--remote-python", sys.executable),
            *(
                "--quick",
                "--offline",
                "--runners",
                "bare,namespaces",
                "-k",
                "null",
                "--blocks",
                "1",
                "--wait",
                "20",
            ),
            *("--results-dir", str(results), "--reports-dir", str(tmp_path / "out")),
        )
        environ = {**os.environ, "PATH": hosts.path}
        done = hosts.spawn("middle", *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ)
        said, told = (text.decode() for text in done.communicate(timeout=90))
        assert done.returncode == Exit.SOME_FAILED, told
        fleet = read_fleet(results, "latest")
        assert {host: one.status for host, one in fleet.hosts.items()} == {
            "north": "complete",
            "south": "complete",
            "nowhere.invalid": "unable",
        }
        assert "no worker could be started by ssh" in fleet.hosts["nowhere.invalid"].reason
        for host in ("north", "south"):
            (run,) = fleet.hosts[host].runs
            trials = list(load_run(results / run).trials())
            assert {one.outcome for one in trials} == {"ok"}
            assert {one.runner for one in trials} >= {"bare", "namespaces"}
        assert "nowhere.invalid takes no part" in told
        assert "distributed" not in said + told  # nothing that Dask logs
        assert not (default_cache() / "fleet" / fleet.campaign).exists()
