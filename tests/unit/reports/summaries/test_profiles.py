import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.reports.summaries.profiles import Profile, change, merged, read_samples, speedscope

AGENT, SERVER, WORKER = (
    'process 1:"/init"',
    'process 12:"{}python3 /srv/app.py 43551 0.0.0.0"',
    'process 31:"python3 /srv/app.py 43551 127.0.0.1"',
)


def document(frames, profiles):
    named = [{"name": name, "file": file} for name, file in frames]
    listed = [{"name": f"Process {pid} Thread {pid}", "samples": samples} for pid, samples in profiles]
    return json.dumps({"shared": {"frames": named}, "profiles": listed}).encode()


def test_two_processes_are_told_apart_and_ids_ports_and_folders_are_taken_out():
    loader = "/tree/lib/ld-linux.so.2 --inhibit-cache --library-path /tree/lib "
    frames = [
        (AGENT, ""),
        (SERVER.format(loader), ""),
        (WORKER, ""),
        ("main", "/tree/srv/app.py"),
        ("work", "/tree/srv/app.py"),
    ]
    # The first sample of the worker comes before py-spy knows its process, and the agent may stand there twice.
    read = document(frames, [(12, [[0, 0, 1, 3], [0, 1, 3]]), (31, [[4], [0, 1, 2, 4]])])
    stacks, processes = read_samples(read, {"/tree": ""})
    name = "process: python3 /srv/app.py … …"
    assert stacks == {(name, "main (srv/app.py)"): 2, (name, name, "work (srv/app.py)"): 2}
    assert processes == {"Process 12", "Process 31"}


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"shared": {"frames": []}, "profiles": [{"name": "x", "samples": [[3]]}]}']
)
def test_what_is_no_profile_is_refused(text):
    with pytest.raises(ValueError, match="speedscope"):
        read_samples(text, {})


def profile(label, stacks):
    return Profile(label, stacks, 100, 1)


@given(st.integers(1, 2000), st.integers(1, 2000), st.data())
def test_equal_shares_are_no_change_and_none_is_beyond_all(first, second, data):
    base = data.draw(st.integers(0, first))
    other = data.draw(st.integers(0, second))
    left = profile("a", {("f",): base, ("g",): first - base})
    right = profile("b", {("f",): other, ("g",): second - other})
    root = merged(left, right)
    found = change(root.inner["f"], root)
    assert found.points == pytest.approx(100 * (other / second - base / first))
    assert not (found.seen and base * second == other * first)
    assert not change(root, root).seen


def test_a_change_is_seen_when_there_are_enough_samples():
    def seen(times):
        left = profile("a", {("f",): 50 * times, ("g",): 50 * times})
        root = merged(left, profile("b", {("f",): 60 * times, ("g",): 40 * times}))
        return change(root.inner["f"], root).seen

    assert not seen(1)
    assert seen(10)


def test_speedscope_keeps_all_samples():
    made = json.loads(speedscope(profile("a", {("f", "g"): 3, ("f",): 2})))
    (one,) = made["profiles"]
    assert one["weights"] == [2, 3]
    names = [frame["name"] for frame in made["shared"]["frames"]]
    assert [[names[number] for number in sample] for sample in one["samples"]] == [["f"], ["f", "g"]]
