"""Lend folders to places: again if nobody touched them, new ones otherwise."""

import os
import stat
import threading

import pytest

from tare.runners.places.folders import PlaceFolders


@pytest.fixture
def folders(tmp_path):
    return PlaceFolders(tmp_path / "places", "bare")


def test_a_folder_that_was_left_alone_is_lent_again(folders):
    first, second = folders.take(), folders.take()
    assert stat.S_IMODE(first.scratch.stat().st_mode) == 0o1777
    assert [first.path.name, second.path.name] == ["bare-0", "bare-1"]
    first.give_back(alone=True)
    assert folders.take() is first


def write(scratch):
    (scratch / "file").write_text("x")


def write_and_remove(scratch):
    for number in range(100):
        (scratch / f"{number}").mkdir()
    for number in range(100):
        (scratch / f"{number}").rmdir()
    os.utime(
        scratch, ns=(0, 0)
    )  # far apart from the making, whatever the resolution of the file system's times


def close_to_others(scratch):
    scratch.chmod(0o700)


def replace(scratch):
    scratch.rename(scratch.with_name("other"))
    scratch.mkdir()
    scratch.chmod(0o1777)


def lead_away(scratch):
    scratch.rename(scratch.with_name("other"))
    scratch.symlink_to("other")


def remove(scratch):
    scratch.rmdir()


@pytest.mark.parametrize("touch", [write, write_and_remove, close_to_others, replace, lead_away, remove])
def test_a_folder_that_was_touched_is_removed(folders, touch):
    one = folders.take()
    touch(one.scratch)
    one.give_back(alone=True)
    assert list(folders.above.iterdir()) == []
    again = folders.take()
    assert again.path.name == "bare-1"
    assert list(again.scratch.iterdir()) == []


def test_a_file_is_seen_even_if_the_times_of_its_folder_tell_nothing(folders, monkeypatch):
    monkeypatch.setattr("tare.runners.places.folders._state", lambda _folder: ())
    one = folders.take()
    write(one.scratch)
    one.give_back(alone=True)
    assert list(folders.above.iterdir()) == []


def test_a_folder_of_processes_that_may_still_live_is_not_lent_again(folders):
    one = folders.take()
    one.give_back(alone=False)
    assert list(folders.above.iterdir()) == []
    assert folders.take().path.name == "bare-1"


def test_closing_removes_the_folders_that_no_place_has(folders):
    kept, free = folders.take(), folders.take()
    free.give_back(alone=True)
    folders.close()
    assert list(folders.above.iterdir()) == [kept.path]
    kept.give_back(alone=True)
    folders.close()
    assert list(folders.above.iterdir()) == []


def test_no_two_places_have_the_same_folder(folders):
    taken = []

    def use():
        for _ in range(50):
            one = folders.take()
            taken.append(one.path)
            assert taken.count(one.path) == 1
            taken.remove(one.path)
            one.give_back(alone=True)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    folders.close()
    assert list(folders.above.iterdir()) == []
