"""Whose leftovers are whose, on real files of this process."""

import errno
import json
import os
import shutil
import subprocess

import pytest

from support.docker_double import docker_double
from support.other_processes import await_exec
from tare.results.scratch import scratch_folder
from tare.runners import cleanup as leftovers
from tare.runners.errors import TareError
from tare.runners.host.owners import note_engine


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def work(tmp_path, monkeypatch):
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.setenv("TARE_WORKDIR", str(folder))
    return folder


def found(cache, run):
    return [one for one in leftovers.find(cache) if one.owner.run == run]


def test_a_run_registers_itself_and_goes_whole(cache, work):
    with leftovers.register(cache, "one", work / "tare-one"):
        assert (work / "tare-one/owner.json").is_file()
        assert (cache / "live/one.json").is_file()
        assert found(cache, "one") == []
        locked = work / "tare-one/locked/in"
        locked.mkdir(parents=True)
        locked.parent.chmod(0)
    assert list(work.iterdir()) == []
    assert list((cache / "live").iterdir()) == []


def dead(cache, work, run, **changes):
    """A run as a killed process leaves it."""
    with subprocess.Popen(["true"]) as process:
        pid = process.pid
    folder = work / f"tare-{run}"
    with leftovers.register(cache, run, folder):
        owner = json.loads((folder / "owner.json").read_text()) | {"pid": pid} | changes
    folder.mkdir()
    (folder / "owner.json").write_text(json.dumps(owner))
    (cache / "live" / f"{run}.json").write_text(json.dumps(owner))
    return folder


def test_a_folder_that_was_deleted_meanwhile_goes_with_what_was_made_in_it_since(cache, work):
    with leftovers.register(cache, "zero", work / "tare-zero"):
        shutil.rmtree(work / "tare-zero")
        (work / "tare-zero/places/0").mkdir(parents=True)
    assert list(work.iterdir()) == []
    folder = dead(cache, work, "zero")
    shutil.rmtree(folder)
    (folder / "places/0").mkdir(parents=True)
    (one,) = found(cache, "zero")
    assert one.workdir == folder
    assert leftovers.remove(one, cache) == [f"folder {folder}"]
    assert list(work.iterdir()) == []


def test_a_dead_owners_folder_is_removed_once(cache, work):
    folder = dead(cache, work, "two")
    (one,) = found(cache, "two")
    assert one.describe() == ["run two", f"folder {folder}"]
    assert leftovers.remove(one, cache) == [f"folder {folder}"]
    assert leftovers.remove(one, cache) == []
    assert found(cache, "two") == []


@pytest.mark.parametrize("missing", ["registry", "folder"])
def test_either_file_alone_suffices(cache, work, missing):
    folder = dead(cache, work, "three")
    if missing == "registry":
        (cache / "live/three.json").unlink()
    else:
        (folder / "owner.json").unlink()
    (one,) = found(cache, "three")
    leftovers.remove(one, cache)
    assert not folder.exists()
    assert found(cache, "three") == []


def test_a_pid_used_again_is_another_process(cache, work):
    dead(cache, work, "four", pid=os.getpid(), start_ticks=1)
    assert len(found(cache, "four")) == 1


def test_another_boot_is_dead_whatever_the_pid(cache, work):
    dead(cache, work, "five", pid=os.getpid(), boot="another")
    assert len(found(cache, "five")) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make another user's files")
@pytest.mark.parametrize("whose", ["folder", "file"])
def test_another_users_run_is_not_ours(cache, work, whose):
    folder = dead(cache, work, "six")
    (cache / "live/six.json").unlink()
    os.chown(folder if whose == "folder" else folder / "owner.json", 65534, 65534)
    assert found(cache, "six") == []
    assert folder.exists()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_may_write_to_is_not_believed(cache, work, mode):
    folder = dead(cache, work, "planted")
    (cache / "live/planted.json").unlink()
    folder.chmod(mode)
    assert found(cache, "planted") == []
    assert (folder / "owner.json").exists()


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "writable", "huge"])
def test_an_owner_file_that_is_not_surely_ours_is_not_believed(cache, work, tmp_path, kind):
    folder = dead(cache, work, "planted")
    (cache / "live/planted.json").unlink()
    file = folder / "owner.json"
    content = file.read_text()
    file.unlink()
    if kind == "link":
        (tmp_path / "elsewhere.json").write_text(content)
        file.symlink_to(tmp_path / "elsewhere.json")
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.write_text(content + (" " * (1 << 20) if kind == "huge" else ""))
        file.chmod(0o666 if kind == "writable" else 0o600)
    assert found(cache, "planted") == []


def test_a_live_file_that_others_may_write_to_is_not_believed(cache, work):
    folder = dead(cache, work, "shared")
    (folder / "owner.json").unlink()
    (cache / "live").chmod(0o777)
    assert found(cache, "shared") == []
    (cache / "live").chmod(0o755)
    assert len(found(cache, "shared")) == 1


def test_a_work_folders_file_says_nothing_but_whose_it_is(cache, work, tmp_path):
    precious = tmp_path / "tare-told"
    precious.mkdir()
    (precious / "kept").write_text("")
    folder = dead(
        cache,
        work,
        "told",
        workdir=str(precious),
        cgroups=[str(precious)],
        engines=["kubernetes:x@/tmp/evil"],
    )
    (cache / "live/told.json").unlink()
    (one,) = found(cache, "told")
    assert (one.workdir, one.cgroups, one.engines) == (folder, (), ())
    leftovers.remove(one, cache)
    assert (precious / "kept").exists()
    assert not folder.exists()


def test_cgroups_outside_of_the_hierarchies_are_not_touched(cache, work, tmp_path):
    outside = tmp_path / "tare-odd"
    outside.mkdir()
    dead(cache, work, "odd", cgroups=[str(outside), "/sys/fs/cgroup/../../../" + str(outside)])
    (one,) = found(cache, "odd")
    assert one.cgroups == ()


def test_a_link_in_place_of_the_work_folder_leads_nowhere(cache, work, tmp_path):
    folder = dead(cache, work, "swapped")
    (one,) = found(cache, "swapped")
    precious = tmp_path / "precious"
    folder.rename(precious)
    folder.symlink_to(precious)
    leftovers.remove(one, cache)
    assert (precious / "owner.json").exists()


def test_a_folder_of_that_name_without_our_file_is_nobodys_business(cache, work):
    (work / "tare-backup").mkdir()
    (work / "tare-backup/precious").write_text("")
    dead(cache, work, "backup2", workdir=str(work / "tare-backup"))
    for one in leftovers.find(cache):
        if one.owner.run == "backup2":
            leftovers.remove(one, cache)
    assert (work / "tare-backup/precious").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run": "../../etc", "pid": 1}', '{"run": 1}'])
def test_a_damaged_registry_is_passed_over(cache, work, text):
    (cache / "live").mkdir(parents=True)
    (cache / "live/bad.json").write_text(text)
    assert [one for one in leftovers.find(cache) if one.owner.run == "bad"] == []


def test_processes_of_a_dead_run_are_ended(cache, work):
    dead(cache, work, "seven")
    with subprocess.Popen(["/bin/sleep", "60"], env={"TARE_RUN": "seven"}) as process:
        await_exec(process)
        (one,) = found(cache, "seven")
        assert one.pids == (process.pid,)
        # Its parent, this test, has to reap it before it is gone.
        import threading  # noqa: PLC0415

        reaper = threading.Thread(target=process.wait)
        reaper.start()
        assert f"process {process.pid}" in leftovers.remove(one, cache)
        reaper.join()
        assert process.returncode == -9


def test_a_run_that_exists_is_refused(cache, work):
    (work / "tare-eight").mkdir()
    with (
        pytest.raises(TareError, match="cannot make the work folder"),
        leftovers.register(cache, "eight", work / "tare-eight"),
    ):
        pass
    assert not (cache / "live/eight.json").exists()


@pytest.mark.parametrize("run", ["", "../x", "a/b", "-x", "a b"])
def test_odd_names_are_refused(cache, work, run):
    with pytest.raises(TareError, match="cannot be a run's name"), leftovers.register(cache, run, work / "x"):
        pass


def test_a_dead_runs_containers_are_removed_where_it_had_some(cache, work, tmp_path):
    folder = dead(cache, work, "nine", engines=[str(tmp_path / "docker.sock")])
    with docker_double(tmp_path / "docker.sock") as double:
        double.containers = {"a" * 64: "tare.run=nine", "b" * 64: "mine"}
        double.images = ["tare-nine:k1"]
        (one,) = found(cache, "nine")
        assert one.describe()[-1] == f"its containers and images in the engine at {tmp_path / 'docker.sock'}"
        assert leftovers.remove(one, cache) == [
            f"Docker container {'a' * 12}", "Docker image tare-nine:k1", f"folder {folder}",
        ]  # fmt: skip
        assert list(double.containers) == ["b" * 64]
    assert found(cache, "nine") == []


def test_a_daemon_that_does_not_answer_is_asked_again_later(cache, work, tmp_path):
    folder = dead(cache, work, "ten", engines=[str(tmp_path / "docker.sock")])
    (one,) = found(cache, "ten")
    *removed, told = leftovers.remove(one, cache)
    assert removed == [f"folder {folder}"]
    assert "tried again at the next start" in told
    with docker_double(tmp_path / "docker.sock") as double:
        double.containers = {"a" * 64: "tare.run=ten"}
        (one,) = found(cache, "ten")
        leftovers.remove(one, cache)
        assert double.containers == {}
    assert found(cache, "ten") == []


def test_a_daemon_that_refuses_is_told(cache, work, tmp_path):
    dead(cache, work, "eleven", engines=[str(tmp_path / "docker.sock")])
    with docker_double(tmp_path / "docker.sock") as double:
        double.answers["/containers/json"] = (500, '{"message": "broken"}')
        (one,) = found(cache, "eleven")
        with pytest.raises(leftovers.CleanupError, match="broken"):
            leftovers.remove(one, cache)
        double.answers.clear()
        leftovers.remove(one, cache)
    assert found(cache, "eleven") == []


def test_a_used_daemon_is_written_down_once(cache, work, tmp_path):
    socket = str(tmp_path / "docker.sock")
    with (
        docker_double(tmp_path / "docker.sock") as double,
        leftovers.register(cache, "twelve", work / "tare-twelve"),
    ):
        for _ in range(2):
            note_engine(cache, "twelve", socket)
        assert json.loads((cache / "live/twelve.json").read_text())["engines"] == [socket]
        double.images = ["tare-twelve:k"]
    assert double.images == []
    assert not (cache / "live/twelve.json").exists()


@pytest.mark.parametrize("writes_before", [0, 1])
def test_a_full_disk_at_the_registration_leaves_nothing(cache, work, monkeypatch, writes_before):
    written = []

    def dump(facts, file):
        written.append(file)
        if len(written) > writes_before:
            raise OSError(errno.ENOSPC, "No space left on device")
        file.write(json.dumps(facts))

    (cache / "live").mkdir(parents=True)
    monkeypatch.setattr("tare.runners.host.owners.json.dump", dump)
    registering = leftovers.register(cache, "one", work / "tare-one")
    with pytest.raises(OSError, match="No space"):
        registering.__enter__()
    assert [*work.iterdir(), *(cache / "live").iterdir()] == []


def test_a_run_that_is_at_work_keeps_its_registration(cache, work):
    folder = work / "tare-one"
    with leftovers.register(cache, "one", folder):
        note_engine(cache, "one", "/run/docker.sock")
        kept = (cache / "live/one.json").read_bytes()
        with (
            pytest.raises(
                TareError, match=f"run one is at work in process {os.getpid()}: wait for it, or end it"
            ),
            leftovers.register(cache, "one", folder),
        ):
            pass
        assert (cache / "live/one.json").read_bytes() == kept
        (cache / "live/one.json").unlink()  # as from another cache
        with pytest.raises(TareError, match="at work"), leftovers.register(cache, "one", folder):
            pass
        assert folder.is_dir()


def test_of_a_run_that_left_no_more_the_registration_is_named_and_removed(cache, work):
    dead(cache, work, "one")
    shutil.rmtree(work / "tare-one")
    (left,) = found(cache, "one")
    assert left.describe() == ["run one", "its registration"]
    leftovers.remove(left, cache)
    assert found(cache, "one") == []


def test_temporary_folders_of_the_dead_are_found_where_they_are_made(cache, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(leftovers, "_USUAL", ())
    names = [
        "tmp/tare-scratch-push-1",
        "cache/.tare-scratch-pause-1",
        "cache/native/.tare-scratch-build-1",
        "runs/.tare-scratch-import-1",
        "baselines/host/.tare-scratch-save-1",
    ]
    for name in names:
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep").chmod(0)
    with scratch_folder("build", cache / "native"):
        found = leftovers.find_scratch(cache, tmp_path / "runs", tmp_path / "baselines")
        assert found == sorted(tmp_path / name for name in names)
        for folder in found:
            leftovers.remove_scratch(folder)
            leftovers.remove_scratch(folder)
        assert leftovers.find_scratch(cache, tmp_path / "runs", tmp_path / "absent") == []
        assert len(list((cache / "native").iterdir())) == 1


def test_a_temporary_folder_that_resists_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "tare-scratch-x"
    folder.mkdir()

    def busy(_tree):
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(leftovers, "remove_tree", busy)
    with pytest.raises(
        leftovers.CleanupError, match=r"tare-scratch-x can be removed: .*busy; try `tare clean` as root"
    ):
        leftovers.remove_scratch(folder)
