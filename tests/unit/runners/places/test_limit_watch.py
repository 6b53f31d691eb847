"""What the watch says of a job's scratch folder, whenever its thread happens to look."""

import pytest

from tare.runners.model import Limits
from tare.runners.places import limit_watch
from tare.runners.places.limit_watch import LimitWatch

KIB = 1 << 10
LIMITS = Limits(cpus=1, memory_bytes=1 << 20, scratch_bytes=64 * KIB)


def watch(folder):
    return LimitWatch(lambda: 0, folder, LIMITS, memory=False, pids=False)


@pytest.mark.parametrize("interval", [1e-3, 3600.0], ids=["looks often", "never looks"])
@pytest.mark.parametrize(("kib", "exceeded"), [(16, False), (128, True)])
def test_the_verdict_depends_on_what_was_written_and_not_on_when_the_thread_looked(
    tmp_path, monkeypatch, interval, kib, exceeded
):
    monkeypatch.setattr(limit_watch, "INTERVAL_SECONDS", interval)
    with watch(tmp_path) as watched:
        (tmp_path / "file").write_bytes(b"x" * (kib * KIB))
    assert ("scratch limit" in watched.verdict) is exceeded


def test_a_place_that_was_lost_is_not_looked_at_again(tmp_path, monkeypatch):
    monkeypatch.setattr(limit_watch, "INTERVAL_SECONDS", 3600.0)
    watched = watch(tmp_path)
    (tmp_path / "file").write_bytes(b"x" * (128 * KIB))
    watched.__enter__()
    watched.__exit__(OSError, OSError(), None)
    assert watched.verdict == ""
