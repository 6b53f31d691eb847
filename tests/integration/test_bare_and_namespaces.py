"""What is true of every place that the launcher makes, and what only of containers."""

import os
import socket
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from support.launched_places import EMPTY, program, run_context, runner_for, settled_processes, settled_state
from tare.results.record import MARKS
from tare.runners.containers.namespaces.ladder import known, ladder_rung
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.errors import PlaceFailure
from tare.runners.launcher.processes import SpawnError, SpawnRequest
from tare.runners.launcher.steps.mounts import Mount
from tare.runners.launcher.steps.namespaces import NewNamespace
from tare.runners.model import Job, Limits

pytestmark = pytest.mark.integration
MIB = 1 << 20
LIMITS = Limits(cpus=1, memory_bytes=64 * MIB, pids=64, scratch_bytes=32 * MIB)


@pytest.fixture(scope="module", params=["bare", "namespaces"])
def runner(request):
    with runner_for(request.param, LIMITS) as runner:
        yield runner


@pytest.fixture
def container():
    with runner_for("namespaces", LIMITS) as runner:
        yield runner


def show(place, path):
    result = place.run(Job(argv=(program(place), "show", path)))
    assert result.exit_code == 0, result
    return result.stdout.decode()


def test_a_cold_null_launch_has_the_whole_timeline_in_order(runner):
    job = Job()
    with runner.open(first=job) as place:
        result = place.run(job)
    assert result.exit_code == 0
    expected = [mark for mark in MARKS if mark not in {"created", "entered", "kernel", "restored", "ended"}]
    assert sorted(place.timeline, key=place.timeline.get) == expected
    assert list(dict(sorted(place.timeline.items(), key=lambda item: MARKS.index(item[0])))) == expected
    assert place.usage.user_seconds + place.usage.system_seconds > 0


def test_many_jobs_in_one_place(runner):
    with runner.open() as place:
        for number in range(5):
            result = place.run(Job(argv=(program(place), "try"), environ={"NUMBER": str(number)}))
            assert result.exit_code == 0
            assert b"getpid ok" in result.stdout
            assert result.usage is not None
    assert "gone" in place.timeline
    place.close()


def test_a_large_first_job_is_handed_over_whole(runner):
    job = Job(
        argv=("/dev/null",) if runner.name == "bare" else ("/runaway", "show", "/dev/stdin"),
        stdin=b"x" * (3 * MIB),
    )
    with runner.open(first=job) as place:
        result = place.run(job)
    if runner.name == "namespaces":
        assert result.stdout_bytes == 3 * MIB
    else:
        assert "EACCES" in result.error


def test_the_scratch_folder_is_on_disk_and_empty_each_time(runner):
    for _ in range(2):
        with runner.open() as place:
            result = place.run(Job(argv=(program(place), "show", f"{place.scratch}/file-0")))
            assert result.exit_code == 1
            assert place.run(Job(argv=(program(place), "many", place.scratch, "1"))).error == ""
            assert show(place, f"{place.scratch}/file-0")
            assert place.context["scratch_file_system"]


def test_a_job_that_forks_without_end_is_ended_with_all_its_children(runner):
    with runner.open() as place:
        result = place.run(Job(argv=(program(place), "fork"), timeout_seconds=1))
        assert result.timed_out or result.signal == 9
        assert place.run(Job(argv=(program(place), "try"))).exit_code == 0
    staying = inner_launcher(runner)
    assert settled_processes(runner._context.run, staying) == staying


def inner_launcher(runner):
    """Root's containers begin in a launcher that carries the run's name as long as the runner is prepared."""
    if runner.name == "bare" or os.getuid():
        return []
    launcher = runner._prepared[2]
    return [f"{launcher.pid} tare-launcher"]


def test_a_job_that_eats_memory_is_killed_by_the_limit(runner):
    with runner.open() as place:
        try:
            result = place.run(Job(argv=(program(place), "memory"), timeout_seconds=20))
        except PlaceFailure as failure:
            assert "memory limit of 64 MiB" in failure.reason  # noqa: PT017 - either way is right
        else:
            assert result.signal == 9
            assert "memory limit" in result.error
            assert "64 MiB" in result.error
            assert not result.timed_out


def test_a_job_that_fills_its_scratch_is_ended(runner):
    with runner.open() as place:
        one = place.run(Job(argv=(program(place), "fill", f"{place.scratch}/big"), timeout_seconds=20))
        assert (
            one.signal == 25 or "scratch limit of 32 MiB exceeded" in one.error
        )  # 25: SIGXFSZ, by RLIMIT_FSIZE
        many = place.run(Job(argv=(program(place), "many", place.scratch), timeout_seconds=20))
        assert "scratch limit of 32 MiB exceeded" in many.error
        assert many.signal == 9


def test_a_job_too_short_to_be_watched_is_judged_by_what_it_wrote(runner):
    with runner.open() as place:
        for files, exceeded in (("16", ""), ("48", "scratch limit of 32 MiB exceeded")):
            result = place.run(Job(argv=(program(place), "many", place.scratch, files)))
            assert exceeded in result.error
            assert bool(result.error) is bool(exceeded)


def test_a_job_that_ignores_sigterm_is_killed_at_its_time_out(runner):
    with runner.open() as place:
        result = place.run(Job(argv=(program(place), "deaf"), timeout_seconds=0.2))
        assert result.timed_out
        assert result.signal == 9


def test_a_program_that_is_not_there_is_the_jobs_error_not_the_places(runner):
    with runner.open() as place:
        assert "ENOENT" in place.run(Job(argv=("/no/such/program",))).error
        assert place.run(Job()).exit_code == 0


def test_a_killed_agent_is_a_place_failure(runner):
    with runner.open() as place:
        os.kill(place.vantage.top_pid, 9)
        with pytest.raises(PlaceFailure, match="exit status -9"):
            place.run(Job())


def test_limits_are_in_the_context_as_they_are_in_force(runner):
    with runner.open() as place:
        by_cgroup = place.context["memory_limit_by"] == "cgroup"
        assert by_cgroup == any("memory" in str(path) for path in place.vantage.cgroups.values())
        for path in place.vantage.cgroups.values():
            assert path.is_dir()


def test_the_top_process_is_in_the_places_cgroups(runner):
    with runner.open() as place:
        if not place.vantage.cgroups:
            pytest.skip("this user may make no cgroups here")
        memberships = Path(f"/proc/{place.vantage.top_pid}/cgroup").read_text()
        assert memberships.count(f"tare-{runner._context.run}") == len(set(place.vantage.cgroups.values()))
        assert (
            f"tare-{runner._context.run}"
            not in Path(f"/proc/{runner._context.launcher.pid}/cgroup").read_text()
        )


def test_a_container_sees_its_own_root_and_nothing_of_the_host(container):
    with container.open() as place:
        mounts = show(place, "/proc/self/mountinfo")
        assert str(container._context.workdir.parent) + "/tree" not in mounts
        points = [line.split()[4] for line in mounts.splitlines()]
        assert points[0] == "/"
        assert " - overlay " in mounts.splitlines()[0]
        expected = {"/", "/proc", "/sys", "/dev/pts", "/scratch"}
        assert expected <= set(points)
        assert all(point.startswith((*(expected - {"/"}), "/dev")) or point == "/" for point in points)
        status = show(place, "/proc/self/status")
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status
        assert "CapEff:\t00000000a00425fb" in status.lower().replace("capeff", "CapEff")
        assert "NSpid" in status
        assert show(place, "/proc/sys/kernel/hostname") == "tare\n"
        assert "lo:" in show(place, "/proc/net/dev")


def test_a_container_is_denied_what_reaches_the_host(container):
    with container.open() as place:
        result = place.run(Job(argv=("/runaway", "try")))
    answers = dict(line.split() for line in result.stdout.decode().splitlines())
    assert answers.pop("getpid") == "ok"
    assert answers.pop("clone3") == "ENOSYS"  # so that libc takes clone, which the filter can look into
    assert set(answers.values()) == {"EPERM"}, answers


def test_writes_to_the_root_do_not_reach_the_image(container):
    with container.open() as place:
        assert place.run(Job(argv=("/runaway", "many", "/", "4"))).exit_code == 0
        assert show(place, "/file-0")
    tree = container._prepared[0].tree
    assert sorted(path.name for path in tree.iterdir()) == ["runaway", "tare-agent"]


@pytest.mark.parametrize("rung", known())
def test_every_rung_makes_a_place_that_works(rung):
    with run_context() as (context, image), closing(Namespaces(context, f"namespaces:{rung}")) as runner:
        probe = runner.probe()
        if not probe.ok:
            assert probe.remedy
            pytest.skip(f"{probe.reason}; {probe.remedy}")
        runner.prepare(image, LIMITS)
        with runner.open() as place:
            namespaces = {
                kind: Path(f"/proc/{place.vantage.top_pid}/ns/{kind}").readlink()
                != Path(f"/proc/self/ns/{kind}").readlink()
                for kind in ("mnt", "pid", "uts", "ipc", "user", "net", "cgroup")
            }
            assert place.run(Job(argv=("/runaway", "try"))).exit_code == 0
            assert place.run(Job(argv=("/runaway", "many", place.scratch, "4"))).error == ""
            assert show(place, f"{place.scratch}/file-0")
            limited = place.vantage.cgroups
        with runner.open(first=Job()) as place:
            assert place.run(Job()).exit_code == 0
    standings = ladder_rung(f"namespaces:{rung}", root=os.getuid() == 0)
    parts = standings.parts
    assert namespaces == {
        "mnt": True,  # below "mount" too: that of the launcher, or what an ordinary user's chroot needs
        "pid": "pid" in parts,
        "uts": "uts+ipc" in parts,
        "ipc": "uts+ipc" in parts,
        "user": "user" in parts,
        "net": "net" in parts,
        "cgroup": "cgroup" in parts,
    }
    if rung.startswith("+cgroup:") and not (rung == "+cgroup:io" and "io" in limited):
        (controller,) = standings.controllers
        names = {"io": {"blkio"}}.get(controller, {controller, "unified"})
        assert limited.keys() & names


@pytest.mark.parametrize("rung", ["chroot", "+mount"])
def test_below_overlayfs_the_root_is_the_image_and_read_only(rung):
    with run_context() as (context, image), closing(Namespaces(context, f"namespaces:{rung}")) as runner:
        assert runner.probe().ok
        (image.tree / "sub").mkdir()
        (image.tree / "link").symlink_to("runaway")
        runner.prepare(image, LIMITS)
        with runner.open() as place:
            for folder in ("/", "/sub"):
                place.run(Job(argv=("/link", "many", folder, "1")))
                assert place.run(Job(argv=("/runaway", "show", f"{folder}/file-0"))).exit_code == 1
            place.run(Job(argv=("/link", "many", "/tmp", "1")))
            assert show(place, "/tmp/file-0")
        runner.close()
        assert sorted(path.name for path in image.tree.iterdir()) == ["link", "runaway", "sub", "tare-agent"]
        assert not list((image.tree / "sub").iterdir())


def test_a_refused_step_is_named_with_its_errno():
    with run_context() as (context, _):
        launcher = context.launcher
        steps = (
            *((NewNamespace("user"),) if os.getuid() else ()),
            NewNamespace("mount"),
            Mount("/no/such", "tmpfs"),
        )
        spawned = launcher.spawn(SpawnRequest(("/bin/true",), steps=steps))
        with pytest.raises(SpawnError, match=r"step \d of /bin/true, mount tmpfs on /no/such: .*ENOENT"):
            launcher.wait(spawned.id)


def test_the_launcher_passes_fds_to_their_numbers():
    with run_context() as (context, image):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            request = SpawnRequest(
                ("runaway", "show", "/proc/self/cmdline"),
                program=image.tree / "runaway",
                fds={1: theirs.fileno()},
            )
            spawned = context.launcher.spawn(request)
            assert context.launcher.wait(spawned.id, 5).exit_code == 0
            assert ours.recv(100) == b"runaway\0show\0/proc/self/cmdline\0"


def test_waiting_has_a_time_out_and_killing_an_end():
    with run_context() as (context, image):
        launcher = context.launcher
        spawned = launcher.spawn(SpawnRequest((str(image.tree / "runaway"), "deaf")))
        assert launcher.wait(spawned.id, 0.05) is None
        launcher.kill(spawned.id)
        assert launcher.wait(spawned.id, 5).exit_code == -9
        assert launcher.resident_bytes() < 20 * MIB


def test_a_quiet_process_is_told_of_at_its_end_or_killed():
    with run_context() as (context, image):
        program = str(image.tree / "runaway")
        spawned = context.launcher.spawn(SpawnRequest((program, "try"), quiet=True), 5)
        assert spawned.requested_ns <= spawned.spawned_ns
        assert context.launcher.wait(spawned.id, 0).exit_code == 0
        with pytest.raises(SpawnError, match=r"did not end within 0\.05 s"):
            context.launcher.spawn(SpawnRequest((program, "deaf"), quiet=True), 0.05)
        with pytest.raises(SpawnError, match="cannot start the program /no/such"):
            context.launcher.wait(context.launcher.spawn(SpawnRequest(("/no/such",), quiet=True)).id)


def test_closing_the_launcher_ends_what_it_made():
    with run_context("closing") as (context, image):
        for _ in range(3):
            context.launcher.spawn(
                SpawnRequest((str(image.tree / "runaway"), "deaf"), environ={"TARE_RUN": "closing"})
            )
        context.launcher.close()
        assert settled_processes("closing", []) == []
    assert settled_state("closing") == EMPTY


def devices_of(table):
    return {line.split(":")[0].strip() for line in table.splitlines()[2:]}


@pytest.mark.parametrize("kind", ["veth", "bridge", "nat"])
def test_networks_are_the_runs_own_and_go_with_it(kind):
    before = devices_of(Path("/proc/net/dev").read_text())
    forwarding = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    with (
        run_context(f"veth-{kind}-{uuid.uuid4().hex[:6]}") as (context, image),
        closing(Namespaces(context, f"namespaces:{kind}")) as runner,
    ):
        assert runner.probe().ok
        runner.prepare(image, LIMITS)
        with runner.open() as first, runner.open() as second:
            assert devices_of(show(first, "/proc/net/dev")) == {"eth0", "lo"}
            addresses = [show(place, "/proc/net/fib_trie") for place in (first, second)]
            assert "198.18.0.2" in addresses[0]
            assert "198.18.0.3" in addresses[1]
            assert first.host_address == ("198.19.0.1" if kind == "nat" else "198.18.0.1")
            assert Path(first.host_network).readlink() != Path("/proc/self/ns/net").readlink()
            way = first.endpoint(1)
            assert (way.address, way.path) == ("198.18.0.2", "veth" if kind == "veth" else "bridge")
            direct = {"to0"} if kind == "veth" else set()
            assert devices_of(show(second, "/proc/net/dev")) == {"eth0", "lo", *direct}
            new = devices_of(Path("/proc/net/dev").read_text()) - before  # others may make theirs meanwhile
            assert not new & {"tare0", "up0", "veth0", "veth1", "to0"}
        runner.close()
        assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == forwarding
    assert settled_state(context.run) == EMPTY
