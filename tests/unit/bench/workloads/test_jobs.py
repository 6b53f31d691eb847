import re
from pathlib import Path
from typing import Any

import pytest

from support.changing import replace
from support.paths import ROOT
from support.sites import make_site
from tare.bench.measurable import Terms, Unsuitable
from tare.bench.workloads import memory_paths
from tare.bench.workloads.base import amount, cap_seconds
from tare.bench.workloads.command import Command, CommandTerms
from tare.bench.workloads.disk import Disk
from tare.bench.workloads.disk_queue import QUEUES, Queue
from tare.bench.workloads.elementary import Elementary
from tare.bench.workloads.listing import WORKLOADS
from tare.bench.workloads.memory_paths import no_huge_pages
from tare.runners.fake import FakeRunner
from tare.runners.images.image import COMMAND
from tare.runners.images.layers import carried_at
from tare.runners.model import Limits

LIMITS = Limits(cpus=1, memory_bytes=1 << 30)
NAMES = [workload.name for workload in WORKLOADS]
BY_NAME = dict(zip(NAMES, WORKLOADS, strict=True))
OWN = [workload.name for workload in WORKLOADS if isinstance(workload, Elementary)]


def test_names_are_unique_and_families_are_those_of_the_documentation():
    assert len(set(NAMES)) == len(NAMES)
    assert {workload.family for workload in WORKLOADS} == {
        "startup",
        "7z",
        "cpu",
        "memory",
        "kernel",
        "disk",
        "python",
        "apps",
    }


def test_only_startup_is_cold():
    assert [workload.name for workload in WORKLOADS if workload.kind == "cold"] == ["null"]


def test_the_null_job_has_no_program():
    assert BY_NAME["null"].job(make_site(), 0.5).argv == ()
    assert BY_NAME["null"].programs == ()


def test_workloads_are_hashable_and_parameters_make_another_series():
    assert len(set(WORKLOADS)) == len(WORKLOADS)
    disk: Any = BY_NAME["disk-rand"]
    buffered = replace(disk, direct=False)
    assert buffered.parameters["direct"] is False
    assert BY_NAME["disk-rand"].parameters["direct"] is True


@pytest.mark.parametrize("name", [workload.name for workload in WORKLOADS if workload.programs])
def test_jobs_run_the_declared_program_of_the_image(name):
    workload = BY_NAME[name]
    job = workload.job(make_site("/tree"), 0.5)
    assert job.argv[0] == f"/tree/bin/{workload.programs[0]}"
    assert job.environ == {"ROOT": "/tree"}
    assert job.timeout_seconds > 10 * workload.nominal_seconds(0.0, 0.5)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "null" and "-all" not in name])
def test_the_work_does_not_depend_on_the_place(name):
    one = BY_NAME[name].job(make_site("/"), 0.3).argv[1:]
    other = BY_NAME[name].job(make_site("/", cpus=64), 0.3).argv[1:]
    assert one == other


def test_all_cpus_means_the_places_cpus_with_the_same_work_each():
    job = BY_NAME["cpu-all"].job(make_site(cpus=4), 0.5)
    assert "--threads=4" in job.argv
    assert f"--events={4 * 600}" in job.argv


def test_the_context_switch_is_pinned_to_the_places_first_cpu():
    argv = BY_NAME["switch"].job(make_site(first_cpu=3), 0.5).argv
    assert argv[argv.index("--taskset") + 1] == "3"


def test_the_python_program_is_looked_for_below_the_places_root():
    assert "/tree/usr/share/tare/python_workload.py" in BY_NAME["python"].job(make_site("/tree"), 0.5).argv
    assert "/usr/share/tare/python_workload.py" in BY_NAME["python"].job(make_site("/"), 0.5).argv


@pytest.mark.parametrize("name", OWN)
def test_the_suites_own_program_is_told_the_cap_and_is_carried(name, tmp_path):
    workload = BY_NAME[name]
    job = workload.job(make_site("/tree"), 0.5)
    assert job.argv[:2] == ("/tree/usr/bin/tare-elementary", "2000")
    assert not workload.programs
    assert job.environ == {}


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("-all")])
def test_every_workload_for_all_cpus_is_one_for_a_single_one_with_more_processes(name):
    one = BY_NAME[name.removesuffix("-all")].job(make_site("/"), 2.0).argv
    assert BY_NAME[name].job(make_site("/", cpus=1), 2.0).argv == one
    many = BY_NAME[name].job(make_site("/", cpus=3), 2.0).argv
    assert many != one
    assert any(re.search(r"(^|[^\d])3$", word) for word in many), many


@pytest.mark.parametrize("name", ["pipe", "futex"])
def test_two_processes_that_wait_for_each_other_are_pinned_to_the_places_first_cpu(name):
    assert BY_NAME[name].job(make_site(first_cpu=3), 0.5).argv[-1] == "3"


@pytest.mark.parametrize("name", ["disk-files-root", "disk-append-root"])
def test_the_places_own_root_is_used_where_it_has_one(name):
    assert "/var/tmp" in BY_NAME[name].job(make_site("/"), 0.5).argv
    assert "/scratch" in BY_NAME[name].job(make_site("/tree"), 0.5).argv
    assert "/scratch" in BY_NAME[name.removesuffix("-root")].job(make_site("/"), 0.5).argv


def test_what_is_heavy_is_not_done_by_an_emulated_cpu_and_the_reason_is_said():
    terms = Terms(LIMITS)
    heavy = {workload.name for workload in WORKLOADS if workload.heavy}
    assert {"compile", "cpu-7z", "hackbench"} <= heavy
    for workload in WORKLOADS:
        if workload.heavy:
            with pytest.raises(Unsuitable, match="emulated CPU") as refused:
                workload.admit(FakeRunner("guest", accelerator="tcg"), terms)
            assert "KVM" in refused.value.remedy
            workload.admit(FakeRunner("guest", accelerator="kvm"), terms)
        else:
            workload.admit(FakeRunner("guest", accelerator="tcg"), terms)


@pytest.mark.parametrize(
    ("setting", "refusal"),
    [
        ("always [madvise] never\n", ""),
        ("[always] madvise never\n", ""),
        ("always madvise [never]\n", "switched off"),
        (None, "has no transparent huge pages"),
    ],
)
def test_huge_pages_are_measured_where_the_kernel_gives_them(tmp_path, monkeypatch, setting, refusal):
    file = tmp_path / "enabled"
    if setting is not None:
        file.write_text(setting)
    assert refusal in no_huge_pages(file)
    monkeypatch.setattr(memory_paths, "SETTING", file)
    huge, terms = BY_NAME["memory-huge"], Terms(LIMITS)
    huge.admit(FakeRunner("guest", accelerator="tcg"), terms)
    BY_NAME["memory-fault"].admit(FakeRunner("bare"), terms)
    if not refusal:
        huge.admit(FakeRunner("bare"), terms)
        return
    with pytest.raises(Unsuitable, match=refusal) as refused:
        huge.admit(FakeRunner("bare"), terms)
    assert "madvise" in refused.value.remedy


def test_a_rigorous_run_has_both_ends_of_the_queue_and_a_name_has_all():
    assert len(QUEUES) == 24
    rigorous = {queue.name for queue in QUEUES if queue.from_mode == "rigorous"}
    assert rigorous == {
        *(f"disk-{order}-4k-q{depth}" for order in ("randread", "randwrite") for depth in (1, 32)),
        *(f"disk-{order}-128k-q{depth}" for order in ("read", "write") for depth in (1, 32)),
    }


def test_the_documentation_lists_every_workload():
    text = (ROOT / "docs" / "workloads.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `([\w-]+)` \|", text.partition("## All workloads")[2], re.MULTILINE))
    queues = {queue.name for queue in QUEUES}
    assert {name for name in NAMES if name not in queues} - listed == set()
    assert f"`disk-ORDER-SIZE-qDEPTH`, {len(QUEUES)} of them" in text


def test_the_rows_of_every_run_are_the_twelve_that_its_budget_is_made_for():
    assert [workload.name for workload in WORKLOADS if workload.from_mode == "quick"] == [
        "null", "cpu", "cpu-all", "memory-write", "memory-read", "syscall", "switch", "fork",
        "disk-seq", "disk-rand", "disk-fsync", "python",
    ]  # fmt: skip


def test_a_default_run_fetches_no_program_that_only_others_need():
    assert {name for workload in WORKLOADS if workload.from_mode == "quick" for name in workload.programs} == {
        "sysbench", "busybox", "stress-ng", "python3",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["disk-seq", "disk-rand", "disk-fsync"])
def test_disk_jobs_stay_in_the_scratch_folder(name):
    job = BY_NAME[name].job(make_site(), 0.5)
    assert "/scratch/tare-disk" in job.argv
    assert job.directory == "/scratch"
    assert job.argv[-1] == ("direct" if BY_NAME[name].parameters["direct"] else "cached")


def test_a_sequential_job_is_long_enough_for_flushes_in_its_middle():
    workload = BY_NAME["disk-seq"]
    assert int(workload.job(make_site(), workload.shortest_seconds / 2).argv[-2]) > 16


def test_amounts_grow_with_the_wanted_length_and_are_never_nothing():
    assert amount(3000, 0.5) == 1500
    assert amount(3, 0.001) == 1
    assert [cap_seconds(seconds) for seconds in (0.2, 0.5, 1.0)] == [1, 2, 3]


def test_a_command_is_the_one_that_the_image_was_built_with():
    command = Command(("tool", "--flag", "a b"), CommandTerms(timeout_seconds=7))
    job = command.job(make_site(), 0.5)
    assert job.argv == (f"/bin/{COMMAND}",)
    assert job.directory == "/scratch"
    assert job.timeout_seconds == 7
    assert command.parameters == {"command": "tool --flag 'a b'"}
    assert "'a b'" in command.summary


@pytest.mark.parametrize(
    ("here", "root", "filled"),
    [
        ("/srv/a", "/tree", "/tree/srv/a/x"),
        ("/tmp/a", "/", "/carried/tmp/a/x"),
        ("/tmp", "/", "/carried/tmp/x"),
    ],
)
def test_what_is_carried_from_the_working_directory_is_found_below_here(monkeypatch, here, root, filled):
    monkeypatch.setattr(Path, "cwd", lambda: Path(here))
    command = Command(("sh",), CommandTerms(environ=(("DATA", "{here}/x"),), stdin="{here}/x"))
    job = command.job(make_site(root), 0.5)
    assert (job.environ["DATA"], job.stdin.decode()) == (filled, filled)
    assert filled.removeprefix("/tree") == carried_at(f"{here}/x")


def test_disk_workloads_share_one_file_that_is_laid_out_before_their_jobs():
    disks = [workload for workload in WORKLOADS if isinstance(workload, Disk | Queue)]
    made = {workload.preparation(make_site("/tree")).argv for workload in disks}
    assert made == {("/tree/tare-inside", "layout", "/scratch/tare-disk", str(64 << 20))}
    for workload in disks:
        argv = workload.job(make_site("/tree"), 0.4).argv
        assert {"/scratch/tare-disk", "--filename=/scratch/tare-disk"} & set(argv)
    assert all(workload.preparation(make_site()) is None for workload in WORKLOADS if workload not in disks)


def test_jobs_of_fio_take_at_most_twice_what_is_measured():
    for workload in WORKLOADS:
        if workload.family == "disk":
            assert workload.nominal_seconds(0.0, workload.shortest_seconds) <= 2 * workload.shortest_seconds
