"""Count what the kernel enforced in a place."""

from tare.runners.host.cgroups.group import UNIFIED, Cgroup


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
