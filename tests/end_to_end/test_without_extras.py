"""Check that a plain install works: gRPC and protobuf are extras, and only the runner ``containerd`` needs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tare.runners.host.owners import OWNER_FILE, Owner, live_folder, load_live, store_owner

WITHOUT_GRPC = """
import sys


class _Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {"grpc", "google"} or name.startswith(("grpc.", "google.")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, _Missing())
"""


@pytest.fixture
def tare(tmp_path):
    """Run the command in an interpreter that cannot import gRPC or protobuf."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(WITHOUT_GRPC, "utf-8")
    path = os.pathsep.join([str(hook), *filter(None, sys.path)])
    environ = {**os.environ, "PYTHONPATH": path, "TARE_RESULTS_DIR": str(tmp_path / "results")}

    def run(*words, **more):
        command = [sys.executable, "-m", "tare.bench", *words]
        return subprocess.run(
            command,
            env=environ | more,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_the_hook_hides_grpc(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_GRPC, "utf-8")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, "-c", "import grpc"], env=environ, capture_output=True, text=True, check=False
    )
    assert "No module named 'grpc'" in done.stderr


def test_doctor_explains_which_runner_needs_them(tare):
    done = tare("doctor", "--json")
    assert "Traceback" not in done.stderr
    runners = json.loads(done.stdout)["runners"]
    assert not runners["containerd"]["ok"]
    assert runners["containerd"]["remedy"] == "pip install 'tarebench[cri]'"
    assert "grpc" not in runners["kubernetes"]["reason"].lower()
    assert runners["bare"]["ok"]


@pytest.mark.parametrize("words", [("plan", "--runners", "bare,kubernetes,containerd"), ("run", "--help")])
def test_commands_that_ask_for_no_pods_work(tare, words):
    done = tare(*words)
    assert done.returncode == 0, done.stderr


def test_what_a_dead_run_left_is_removed(tare, tmp_path):
    parent = tmp_path / "var"
    workdir = parent / "tare-dead"
    workdir.mkdir(mode=0o700, parents=True)
    socket = tmp_path / "tare-dead.sock"
    socket.touch()
    cache = tmp_path / "cache"
    owner = Owner("dead", 1, 1, "another boot", str(workdir), engines=(f"cri:{socket}",))
    store_owner(live_folder(cache) / "dead.json", owner)
    store_owner(workdir / OWNER_FILE, owner)
    done = tare("clean", TARE_WORKDIR=str(parent), TARE_CACHE=str(cache))
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
    assert not workdir.exists()
    # What is in that containerd is left for a start with the libraries.
    assert load_live(cache / "live/dead.json").engines == owner.engines
