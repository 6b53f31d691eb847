from dataclasses import replace
from typing import Any

import pytest

from support.stub import Duck
from tare.bench.workloads import WORKLOADS
from tare.bench.workloads.base import Site, amount, cap_seconds
from tare.bench.workloads.command import Command
from tare.runners.images.image import COMMAND

NAMES = [workload.name for workload in WORKLOADS]
BY_NAME = dict(zip(NAMES, WORKLOADS, strict=True))


class RecordingImage(Duck):
    def argv(self, root, program, *args):
        return (f"{root.rstrip('/')}/bin/{program}", *args)

    def directory(self, root, program, scratch):
        return scratch

    def environ(self, root, program=""):
        return {"ROOT": root}


def site(root="/", cpus=2, first_cpu=0):
    return Site(RecordingImage(), root, "/scratch", cpus, first_cpu)


def test_names_are_unique_and_families_are_those_of_the_documentation():
    assert len(set(NAMES)) == len(NAMES)
    assert {workload.family for workload in WORKLOADS} == {
        "startup",
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
    assert BY_NAME["null"].job(site(), 0.5).argv == ()
    assert BY_NAME["null"].programs == ()


def test_workloads_are_hashable_and_parameters_make_another_series():
    assert len(set(WORKLOADS)) == len(WORKLOADS)
    disk: Any = BY_NAME["disk-rand"]
    buffered = replace(disk, direct=False)
    assert buffered.parameters["direct"] is False
    assert BY_NAME["disk-rand"].parameters["direct"] is True


@pytest.mark.parametrize("name", [name for name in NAMES if name != "null"])
def test_jobs_run_the_declared_program_of_the_image(name):
    workload = BY_NAME[name]
    job = workload.job(site("/tree"), 0.5)
    assert job.argv[0] == f"/tree/bin/{workload.programs[0]}"
    assert job.environ == {"ROOT": "/tree"}
    assert job.timeout_seconds > 10 * workload.nominal_seconds(0.0, 0.5)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("null", "cpu-all")])
def test_the_work_does_not_depend_on_the_place(name):
    one = BY_NAME[name].job(site("/"), 0.3).argv[1:]
    other = BY_NAME[name].job(site("/", cpus=64), 0.3).argv[1:]
    assert one == other


def test_all_cpus_means_the_places_cpus_with_the_same_work_each():
    job = BY_NAME["cpu-all"].job(site(cpus=4), 0.5)
    assert "--threads=4" in job.argv
    assert f"--events={4 * 600}" in job.argv


def test_the_context_switch_is_pinned_to_the_places_first_cpu():
    argv = BY_NAME["switch"].job(site(first_cpu=3), 0.5).argv
    assert argv[argv.index("--taskset") + 1] == "3"


def test_the_python_program_is_looked_for_below_the_places_root():
    assert "/tree/usr/share/tare/python_workload.py" in BY_NAME["python"].job(site("/tree"), 0.5).argv
    assert "/usr/share/tare/python_workload.py" in BY_NAME["python"].job(site("/"), 0.5).argv


@pytest.mark.parametrize("name", ["disk-seq", "disk-rand", "disk-fsync"])
def test_disk_jobs_stay_in_the_scratch_folder(name):
    job = BY_NAME[name].job(site(), 0.5)
    assert "--filename=/scratch/tare-fio" in job.argv
    assert job.directory == "/scratch"
    assert ("--direct=1" in job.argv) is BY_NAME[name].parameters["direct"]


def test_a_sequential_job_is_long_enough_for_a_flush_in_its_middle():
    argv = BY_NAME["disk-seq"].job(site(), 0.01).argv
    flush = next(int(word.partition("=")[2]) for word in argv if word.startswith("--fdatasync="))
    size = next(int(word.partition("=")[2].rstrip("M")) for word in argv if word.startswith("--io_size="))
    assert size >= 2 * flush


def test_amounts_grow_with_the_wanted_length_and_are_never_nothing():
    assert amount(3000, 0.5) == 1500
    assert amount(3, 0.001) == 1
    assert [cap_seconds(seconds) for seconds in (0.2, 0.5, 1.0)] == [1, 2, 3]


def test_a_command_is_the_one_that_the_image_was_built_with():
    command = Command(("tool", "--flag", "a b"), timeout_seconds=7)
    job = command.job(site(), 0.5)
    assert job.argv == (f"/bin/{COMMAND}",)
    assert job.directory == "/scratch"
    assert job.timeout_seconds == 7
    assert command.parameters == {"command": "tool --flag 'a b'"}
    assert "'a b'" in command.summary


def test_disk_workloads_share_one_file_that_is_laid_out_before_their_jobs():
    disks = [workload for workload in WORKLOADS if workload.family == "disk"]
    made = {workload.preparation(site("/tree")).argv for workload in disks}
    assert made == {("/tree/tare-inside", "layout", "/scratch/tare-fio", str(64 << 20))}
    for workload in disks:
        argv = workload.job(site("/tree"), 0.4).argv
        assert "--filename=/scratch/tare-fio" in argv
        assert "--size=64M" in argv
    assert all(workload.preparation(site()) is None for workload in WORKLOADS if workload not in disks)


def test_jobs_of_fio_take_at_most_twice_what_is_measured():
    for workload in WORKLOADS:
        if workload.family == "disk":
            assert workload.nominal_seconds(0.0, workload.shortest_seconds) <= 2 * workload.shortest_seconds
