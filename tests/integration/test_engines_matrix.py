"""The slow matrix: every kind of container that this host can have, cold, in one interleaved run; nothing is left."""

import json
import os
import subprocess
import sys

import pytest

from support.docker_state import belongings
from support.launched_places import EMPTY, settled_state
from tare.runners.containers.engines.api import DockerApi
from tare.runners.containers.engines.docker import find_daemon
from tare.runners.containers.engines.private import PrivateDocker
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision
from tare.runners.registry import KINDS

pytestmark = [pytest.mark.integration, pytest.mark.engines]
CONTAINERS = [
    name
    for kind in KINDS
    if not kind.startswith(("qemu", "firecracker", "cloud", "kubernetes"))
    for name in ([kind] if kind not in {"docker", "podman"} else [kind, f"{kind}:none", f"{kind}:host"])
]


@pytest.fixture
def daemon(monkeypatch):
    if os.getuid():
        pytest.skip("a Docker daemon needs root")
    one = PrivateDocker(f"tare-m{os.getpid()}")
    one.start(Provision(default_cache()))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{one.listens_at}")
    yield DockerApi(find_daemon(one).socket)
    one.stop()
    assert one.status() == "absent"


def test_a_full_matrix_of_cold_starts_leaves_nothing(daemon, tmp_path):
    before = belongings(daemon)
    done = subprocess.run(
        [sys.executable, "-m", "tare", "run", "--runners", ",".join(CONTAINERS), "-k", "startup", "--quick", "--skip-missing",
         "--results-dir", str(tmp_path), "--reports-dir", str(tmp_path / "reports")],
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*/trials.jsonl")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    measured = {trial["runner"] for trial in found if trial["outcome"] == "ok"}
    assert {"bare", "namespaces", "runc", "podman", "docker", "docker:none", "docker:host"} <= measured
    skipped = [trial for trial in found if trial["outcome"] == "skipped"]
    assert all(trial["reason"] for trial in skipped)
    print("measured:", ", ".join(sorted(measured)))
    for trial in skipped:
        print("skipped:", trial["runner"], trial["reason"], trial.get("remedy", ""))
    assert belongings(daemon) == before
    assert settled_state(path.parent.name) == EMPTY
