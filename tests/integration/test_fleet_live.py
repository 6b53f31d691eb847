"""Three hosts in network namespaces: one is killed, one cannot run guests; the campaign ends whole and leaves nothing."""

import json
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from support.hosts_in_namespaces import SCHEDULER, Hosts, until, why_not
from tare.bench.errors import Exit
from tare.results.storage.fleet import read_fleet
from tare.results.storage.load import load_run
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = [pytest.mark.integration, pytest.mark.kvm]


@pytest.fixture
def qemu():
    """Have QEMU and the guest's kernel in the cache, since the hosts have no way out; give QEMU's program."""
    if reason := why_not():
        pytest.skip(reason)
    provision = Provision(default_cache())
    provision.guest_kernel()
    words = provision.tool("qemu-system-x86_64").argv()
    return next(word for word in words if word.endswith("/qemu-system-x86_64"))


def of_host(results, host):
    """Return the trials of a host's run as text, as far as they came in: the manifest comes before the first."""
    for manifest in results.glob("*/manifest.json"):
        if json.loads(manifest.read_bytes())["provenance"]["labels"]["fleet.host"] == host:
            trials = manifest.with_name("trials.jsonl")
            return trials.read_text(errors="replace") if trials.is_file() else ""
    return ""


def of_children(campaign):
    """Find the processes that make runs of a campaign, and theirs, by their folder: an exec hides a command line for a moment."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"/fleet/{campaign}/" in str((each / "cwd").readlink()):
                found.append(each.name)
    return found


def test_one_host_is_killed_and_one_cannot_run_guests(tmp_path, qemu):
    results, reports = tmp_path / "runs", tmp_path / "out"
    with Hosts(tmp_path) as hosts:
        hosts.add("north")
        hosts.add("south")
        hosts.add("west", f"mount --bind /dev/null {qemu}")
        command = (
            *("tare", "fleet", "--scheduler", SCHEDULER, "--wait", "2"),
            *("--quick", "--offline", "--runners", "bare,qemu-microvm", "-k", "null", "--blocks", "2"),
            *("--results-dir", str(results), "--reports-dir", str(reports)),
        )
        done = hosts.spawn("middle", *command, stdout=subprocess.PIPE)
        until(lambda: '"ok"' in of_host(results, "north"), 120, "trial of north")
        hosts.workers["north"].kill()
        said = done.communicate(timeout=240)[0].decode()
        assert done.returncode == Exit.SOME_FAILED
        fleet = read_fleet(results, "latest")
        north, south, west = (fleet.hosts[host] for host in ("north", "south", "west"))
        # The killed one kept what came in, and the only host that can measure the same did what it had left.
        assert (north.status, south.status, west.status) == ("lost", "complete", "complete")
        assert "south measured what it had left" in north.reason
        assert south.instead == ("north",)
        assert '"ok"' in of_host(results, "north")
        # The one without guests measured the rest, and says why.
        trials = {run: list(load_run(results / run).trials()) for host in (south, west) for run in host.runs}
        guests = [one for one in trials[west.runs[0]] if one.runner.startswith("qemu")]
        assert guests
        assert all(one.outcome == "skipped" and one.reason for one in guests)
        assert all(one.outcome == "ok" for run in south.runs for one in trials[run])
        for run, stored in trials.items():
            assert load_run(results / run).manifest.status == "complete"
            assert [one.number for one in stored] == list(range(len(stored)))
        assert f"was left out on west: {guests[0].reason}" in said
        assert said.splitlines()[-1] == str(reports / "fleet" / f"{fleet.campaign}.html")
        # Nothing is left: the killed worker's run was ended in order, and only its copy waits for a resumption.
        until(lambda: not of_children(fleet.campaign), 60, "end of the run whose worker was killed")
        copies = default_cache() / "fleet" / fleet.campaign
        assert [path.name for path in copies.iterdir()] == ["north-0"]
        shutil.rmtree(copies)
        for run in {run for host in fleet.hosts.values() for run in host.runs}:
            assert not (default_cache() / "live" / f"{run}.json").exists()
            assert not Path(f"/var/tmp/tare-{run}").exists()
