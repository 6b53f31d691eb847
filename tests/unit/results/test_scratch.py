"""Test that temporary folders go, and that those of the dead can be told from those of the living."""

import os
import subprocess
import sys

import pytest

from tare.results import scratch
from tare.results.scratch import PREFIX, dead_folders, scratch_folder, taken


def test_a_folder_lives_as_long_as_its_block(tmp_path):
    with scratch_folder("push", tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(f".{PREFIX}push-")
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "in").mkdir()
        assert dead_folders([tmp_path]) == []
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_it_is_made_beside_other_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_folder("sql") as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(f"{PREFIX}sql-")


def test_a_folder_that_was_moved_away_stays(tmp_path):
    with scratch_folder("pull", tmp_path) as draft:
        (draft / "file").write_text("kept")
        draft.rename(tmp_path / "run")
    assert (tmp_path / "run/file").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_a_killed_process_left_is_found(tmp_path):
    program = (
        "import os, sys, pathlib; from tare.results.scratch import scratch_folder\n"
        "with scratch_folder('push', pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert dead_folders([tmp_path]) == list(tmp_path.iterdir()) != []


def test_links_files_and_others_folders_are_left_alone(tmp_path, monkeypatch):
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(target)
    (tmp_path / f"{PREFIX}file").write_text("")
    assert dead_folders([tmp_path, tmp_path / "absent"]) == []
    (tmp_path / f"{PREFIX}folder").mkdir()
    assert dead_folders([tmp_path]) == [tmp_path / f"{PREFIX}folder"]
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert dead_folders([tmp_path]) == []


def test_a_folder_is_taken_by_one_at_a_time(tmp_path):
    folder = tmp_path / f"{PREFIX}x"
    folder.mkdir()
    with taken(folder) as first, taken(folder) as second:
        assert (first, second) == (True, False)
    with taken(folder) as again:
        assert again


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_folder_that_somebody_took_between_is_made_again(tmp_path, monkeypatch, lost):
    real, times = scratch._opened, []

    def opened(folder):
        times.append(folder)
        if len(times) > 1:
            return real(folder)
        if lost == "before":
            folder.rmdir()
            return real(folder)
        lock = real(folder)
        folder.rmdir()
        return lock

    monkeypatch.setattr(scratch, "_opened", opened)
    with scratch_folder("x", tmp_path) as folder:
        assert folder.is_dir()
    assert len(times) == 2
