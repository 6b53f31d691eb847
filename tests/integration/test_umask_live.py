"""Runs work under every umask, and what is in places does not depend on it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.commanded_runners import prepared
from tare.runners.model import Limits

pytestmark = pytest.mark.integration


@pytest.fixture
def umask():
    """Set umasks; the user's comes back at the end."""
    own = os.umask(0o077)
    yield os.umask
    os.umask(own)


COMMAND = ("-m", "tare", "run", "--quick", "--blocks", "1", "--runners", "bare", "-k", "null")
CALL = ("-c", "import tare; tare.run(places=['bare'], keyword='null', mode='quick', blocks=1, report=True)")


@pytest.mark.parametrize("words", [COMMAND, CALL])
@pytest.mark.parametrize("mask", [0o777, 0o377])
def test_a_run_works_under_a_umask_that_denies_its_own_files(tmp_path, words, mask):
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path, umask=mask, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    made = [path for top in ("results", "reports") for path in (tmp_path / top).rglob("*")]
    assert {"trials.jsonl", "index.html"} <= {path.name for path in made}
    assert [path for path in made if path.stat().st_mode & 0o477 != 0o400] == []


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user's places have no other user")
@pytest.mark.parametrize("name", ["namespaces", "crun"])
def test_every_user_of_a_place_reaches_what_is_in_it(umask, name):
    umask(0o077)
    with prepared(name, Limits(cpus=1, memory_bytes=64 << 20)) as runner, runner.open() as place:
        root = Path(f"/proc/{place.vantage.top_pid}/root")
        modes = {folder: (root / folder).stat().st_mode & 0o777 for folder in ("", "dev", "scratch")}
    assert modes == {"": 0o755, "dev": 0o755, "scratch": 0o777}
