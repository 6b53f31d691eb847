from pathlib import Path

from tare.runners.collectors.crowd import place_processes, read_memory
from tare.runners.model import Vantage

RUN = "20260101-000000-test"


def process(proc, pid, *, parent=1, comm="job", kib=100, children=(), run=""):
    folder = proc / str(pid)
    (folder / "task" / str(pid)).mkdir(parents=True)
    (folder / "task" / str(pid) / "children").write_text(" ".join(map(str, children)))
    (folder / "comm").write_text(f"{comm}\n")
    (folder / "stat").write_text(f"{pid} ({comm}) S {parent} 1 1 0")
    (folder / "environ").write_bytes(b"A=1\0" + (f"TARE_RUN={run}".encode() + b"\0" if run else b""))
    if kib is not None:
        (folder / "smaps_rollup").write_text(f"Rss: 9999 kB\nPss: {kib} kB\n")


def host(tmp_path):
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "meminfo").write_text("MemAvailable: 1000 kB\n")
    return proc


def test_a_place_is_its_top_process_its_descendants_and_what_is_in_its_cgroups(tmp_path):
    proc = host(tmp_path)
    process(proc, 10, children=(11,))
    process(proc, 11)
    group = tmp_path / "group"
    (group / "below").mkdir(parents=True)
    (group / "cgroup.procs").write_text("10\n")
    (group / "below" / "cgroup.procs").write_text("12\n")
    assert place_processes(Vantage(10, {"memory": group}), proc) == {10, 11, 12}


def test_places_are_summed_and_shims_clients_and_daemons_are_apart(tmp_path):
    proc = host(tmp_path)
    process(proc, 5, comm="dockerd", kib=5000)
    process(proc, 6, comm="containerd", kib=3000)
    process(proc, 20, comm="containerd-shim", kib=70)
    process(proc, 10, parent=20, comm="tare-agent", kib=30, run=RUN)
    process(proc, 30, parent=31, comm="docker", kib=40, run=RUN)
    process(proc, 31, comm="tare-launcher", kib=1)
    process(proc, 40, comm="stranger", kib=9000, run="other")
    found = read_memory([Vantage(10)], RUN, "docker", root=tmp_path)
    assert (found.places, found.processes) == (1, 1)
    assert found.pss_bytes == 30 * 1024
    assert found.attendants_bytes == (70 + 40) * 1024
    assert found.daemons_bytes == 8000 * 1024
    assert found.available_bytes == 1000 * 1024
    assert found.cgroups_bytes is None


def test_a_kind_without_an_engine_has_no_daemons(tmp_path):
    proc = host(tmp_path)
    process(proc, 5, comm="dockerd", kib=5000)
    process(proc, 10, comm="tare-agent", kib=30, run=RUN)
    assert read_memory([Vantage(10)], RUN, "namespaces", root=tmp_path).daemons_bytes is None


def test_a_part_of_the_places_is_no_sum(tmp_path):
    proc = host(tmp_path)
    process(proc, 10, children=(11,))
    process(proc, 11, kib=None)
    assert read_memory([Vantage(10)], RUN, "bare", root=tmp_path).pss_bytes is None


def test_places_that_cannot_be_seen_have_no_known_memory(tmp_path):
    host(tmp_path)
    assert read_memory([Vantage(0, shared_with_host=False)], RUN, "runsc", root=tmp_path).pss_bytes is None


def test_cgroups_are_counted_on_either_version_and_only_if_all_places_have_them(tmp_path):
    proc = host(tmp_path)
    process(proc, 10)
    process(proc, 11)
    old, new = tmp_path / "v1", tmp_path / "v2"
    for folder, file in ((old, "memory.usage_in_bytes"), (new, "memory.current")):
        folder.mkdir()
        (folder / file).write_text("4096\n")
    both = [Vantage(10, {"memory": old}), Vantage(11, {"unified": new})]
    assert read_memory(both, RUN, "bare", root=tmp_path).cgroups_bytes == 8192
    assert read_memory([*both, Vantage(10, {"cpu": old})], RUN, "bare", root=tmp_path).cgroups_bytes is None


def test_what_ends_while_it_is_read_is_left_out(tmp_path):
    proc = host(tmp_path)
    process(proc, 10, children=(11,))
    assert read_memory([Vantage(10)], RUN, "bare", root=tmp_path).pss_bytes == 100 * 1024
    assert not Path(proc, "11").exists()
