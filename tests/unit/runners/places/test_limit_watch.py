"""What the watch says of a job's scratch folder, whenever its thread happens to look."""

import threading
import time

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


def until(condition):
    deadline = time.monotonic() + 10
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(1e-3)
    return met


def watchers():
    return {one for one in threading.enumerate() if one.name == "tare-limits"}


def test_jobs_share_one_thread_that_ends_after_them(tmp_path, monkeypatch):
    monkeypatch.setattr(limit_watch, "_WATCHER", limit_watch._Watcher())
    monkeypatch.setattr(limit_watch, "INTERVAL_SECONDS", 5e-3)
    before = watchers()  # those of tests before, which may end meanwhile
    for _ in range(3):
        with watch(tmp_path), watch(tmp_path):
            assert len(watchers() - before) == 1
    assert until(lambda: not watchers() - before)
    with watch(tmp_path):
        assert len(watchers() - before) == 1


def test_a_job_is_looked_at_again_and_again_but_not_before_it_is_old_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(limit_watch, "_WATCHER", limit_watch._Watcher())
    seen = []
    monkeypatch.setattr(LimitWatch, "_look", lambda one: seen.append(one) or "")
    monkeypatch.setattr(limit_watch, "INTERVAL_SECONDS", 3600.0)
    with watch(tmp_path) as late:
        monkeypatch.setattr(limit_watch, "INTERVAL_SECONDS", 1e-3)
        with watch(tmp_path) as early:
            assert until(lambda: seen.count(early) >= 3)
        seen.clear()
        assert late not in seen
    assert seen == []


def test_a_watch_does_not_end_in_the_middle_of_a_look(tmp_path, monkeypatch):
    monkeypatch.setattr(limit_watch, "_WATCHER", limit_watch._Watcher())
    monkeypatch.setattr(limit_watch, "INTERVAL_SECONDS", 1e-3)
    begun, go_on, killed = threading.Event(), threading.Event(), []

    def look(_one):
        begun.set()
        go_on.wait(10)
        return "too much"

    monkeypatch.setattr(LimitWatch, "_look", look)
    monkeypatch.setattr(limit_watch, "kill_descendants", killed.append)
    with LimitWatch(lambda: 7, tmp_path, LIMITS, memory=False, pids=False) as watched:
        assert begun.wait(10)
        threading.Timer(0.02, go_on.set).start()
    assert watched.verdict == "too much"
    assert killed == [7]
