"""Count what the kernel enforced in a place, and remove what is made in its groups."""

from tare.runners.host.cgroups.group import UNIFIED, Cgroup, discard


def test_events_are_read_anew_and_found_as_soon_as_somebody_makes_the_cgroup(tmp_path):
    folder = tmp_path / "place"
    expected = Cgroup("one", "place", "v2", {UNIFIED: folder})
    assert expected.events() == {}
    folder.mkdir()
    (folder / "memory.events").write_text("oom 2\noom_kill 1\n")
    (folder / "pids.events").write_text("max 3\n")
    assert expected.events() == {"oom_kills": 1, "pids_refused": 3}
    (folder / "memory.events").write_text("oom 2\noom_kill 2\n")
    assert expected.events() == {"oom_kills": 2, "pids_refused": 3}


def test_groups_that_were_made_within_are_seen_and_removed(tmp_path):
    inner = tmp_path / "place" / "payload" / "init"
    inner.mkdir(parents=True)
    (inner / "cgroup.procs").write_text("7\n")
    one = Cgroup("one", "place", "v2", {UNIFIED: tmp_path / "place"})
    assert one.pids() == {7}
    (inner / "cgroup.procs").unlink()  # a real group's files do not keep it from being removed
    discard(one)
    assert not (tmp_path / "place").exists()
