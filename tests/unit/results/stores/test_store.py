"""What every kind of store holds: versions appear whole or not at all, and nothing is lost to anybody."""

import contextlib
import fcntl
import gzip
import itertools
import os
import shutil
import threading
import time

import msgspec
import pytest

from support.store_making import git, repository, run_id, stored_run
from tare.results.stores.folder import FolderFiles
from tare.results.stores.git import GitFiles
from tare.results.stores.model import StoreError, StoreNotWritten, read_marker
from tare.results.stores.objects import ObjectFiles
from tare.results.stores.store import Store, open_store


def folder_files(folder):
    return FolderFiles(folder / "store")


def memory_files(folder):
    return ObjectFiles(f"memory://{folder.name}/store")


def branch_files(folder):
    return GitFiles("runs", folder=repository(folder))


def remote_files(folder):
    git(folder, "init", "-q", "--bare", "remote.git")
    checkout = repository(folder)
    git(checkout, "remote", "add", "origin", "../remote.git")
    return GitFiles("runs", "origin", folder=checkout)


KINDS = {"folder": folder_files, "objects": memory_files, "branch": branch_files}


@pytest.fixture(params=["folder", "objects", "branch"])
def files(request, tmp_path):
    return KINDS[request.param](tmp_path)


@pytest.fixture
def store(files):
    return Store(files)


def push(store, *paths):
    return [one.kept.run for one in store.push((path, "host") for path in paths) if not one.was_there]


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_comes_back_as_it_was(store, tmp_path):
    path = stored_run(tmp_path / "runs", 1, name="nightly")
    (path / "counts.json").write_text("[]")
    (path / "profiles").mkdir()
    (path / "profiles" / "a profile.svg").write_bytes(b"<svg>")
    expected = content(path)
    (path / "trials.index.npz").write_bytes(b"derived")
    (path / ".manifest.json.7").write_bytes(b"a draft")
    assert push(store, path) == [run_id(1)]
    (kept,) = store.runs()
    assert (kept.name, kept.trials, kept.host_class, kept.provenance.labels) == (
        "nightly",
        4,
        "host",
        {"n": "1"},
    )
    assert store.pull(kept, tmp_path / "other") == "pulled"
    assert content(tmp_path / "other" / run_id(1)) == expected
    assert store.pull(kept, tmp_path / "other") == "here"


def test_what_is_there_is_not_stored_again(store, tmp_path):
    path = stored_run(tmp_path / "runs", 1)
    assert push(store, path) == [run_id(1)]
    assert push(store, path) == []
    assert len(store.versions()) == 1


def test_an_extended_run_takes_the_place_of_its_beginning(store, tmp_path):
    push(store, stored_run(tmp_path / "a", 1, trials=4))
    push(store, stored_run(tmp_path / "b", 1, trials=9))
    (kept,) = store.versions()
    assert kept.trials == 9
    # Somebody who has the shorter one takes nothing away.
    push(store, tmp_path / "a" / run_id(1))
    assert store.runs() == [kept]
    assert store.pull(kept, tmp_path / "c") == "pulled"


def test_a_run_that_was_extended_in_two_ways_loses_neither(store, tmp_path):
    push(store, stored_run(tmp_path / "a", 1, trials=5))
    push(store, stored_run(tmp_path / "b", 1, trials=6, level=2.0))
    assert [kept.trials for kept in store.versions()] == [5, 6]


def test_a_run_without_trials_and_its_extension(store, tmp_path):
    push(store, stored_run(tmp_path / "a", 1, trials=0))
    push(store, stored_run(tmp_path / "b", 1, trials=2))
    assert [kept.trials for kept in store.versions()] == [2]


def test_the_newest_of_each_host_class_are_kept(store, tmp_path):
    paths = [stored_run(tmp_path / "runs", number) for number in range(6)]
    list(store.push((path, "ab"[number % 2]) for number, path in enumerate(paths)))
    assert [kept.run for kept in store.doomed(2)] == [run_id(0), run_id(1)]
    assert [kept.run for kept in store.prune(2)] == [run_id(0), run_id(1)]
    assert [kept.run for kept in store.runs()] == [run_id(number) for number in range(2, 6)]
    assert not [name for name in store.files.names("runs") if run_id(0) in name]
    assert store.prune(2) == []


def test_a_run_that_is_being_measured_is_refused(store, tmp_path):
    path = stored_run(tmp_path / "runs", 1)
    with (path / "trials.jsonl").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="is being measured: push it when it has ended"):
            push(store, path)
    assert push(store, path) == [run_id(1)]


def test_damage_is_found_by_whoever_fetches(store, files, tmp_path, monkeypatch):
    push(store, stored_run(tmp_path / "runs", 1))
    (kept,) = store.runs()
    real = files.fetch

    def damaged(name, target):
        real(name, target)
        if "trials" in name:
            data = target.read_bytes()
            plain = gzip.decompress(data) if name.endswith(".gz") else data
            changed = plain.replace(b"1.02", b"1.03")
            target.write_bytes(gzip.compress(changed) if name.endswith(".gz") else changed)

    monkeypatch.setattr(files, "fetch", damaged)
    with pytest.raises(StoreError, match="is damaged"):
        store.pull(kept, tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


class Stopped(BaseException):
    """What a kill looks like from inside: nothing after it is executed."""


@pytest.mark.parametrize("kind", ["folder", "objects"])
@pytest.mark.parametrize("writes", range(7))
def test_an_interrupted_push_leaves_nothing_half_visible(kind, writes, tmp_path, monkeypatch):
    files = KINDS[kind](tmp_path)
    store = Store(files)
    push(store, stored_run(tmp_path / "a", 1, trials=3))
    before = store.runs()
    longer, further = stored_run(tmp_path / "b", 1, trials=9), stored_run(tmp_path / "b", 2)
    count = itertools.count()
    owner, name = (files, "_write") if kind == "folder" else (type(files.filesystem), "pipe_file")

    def stopping(real):
        def write(*words, **more):
            if next(count) == writes:
                raise Stopped
            return real(*words, **more)

        return write

    with monkeypatch.context() as patch, contextlib.suppress(Stopped):
        patch.setattr(owner, name, stopping(getattr(owner, name)))
        if kind == "objects":
            patch.setattr(owner, "put_file", stopping(owner.put_file))
        push(store, longer, further)
    seen = store.runs()
    assert {kept.run for kept in seen} >= {kept.run for kept in before}
    for kept in seen:
        assert store.pull(kept, tmp_path / "pulled") == "pulled"
    assert next(kept.trials for kept in seen) in {3, 9}
    push(store, longer, further)
    assert [kept.trials for kept in store.runs()] == [9, 4]


def test_what_an_interrupted_push_left_is_removed_after_a_day(tmp_path):
    files = folder_files(tmp_path)
    store = Store(files)
    push(store, stored_run(tmp_path / "runs", 1))
    fresh = files.folder / "runs" / run_id(2) / "1-1-a-b" / "trials.jsonl.gz"
    stale = files.folder / "runs" / run_id(3) / "1-1-a-b" / ".trials.jsonl.gz.17-abc"
    for path in (fresh, stale):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    old = time.time() - 2 * 86400
    os.utime(stale, (old, old))
    for path in (files.folder / "runs" / run_id(1)).rglob("*"):
        os.utime(path, (old, old))
    store.prune(5)
    assert fresh.exists()
    assert not stale.parent.exists()
    assert len(store.runs()) == 1


def at_once(*works):
    """Run functions at the same time; raise what one of them raised."""
    failures = []
    start = threading.Barrier(len(works))

    def run(work):
        start.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed on
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_two_users_who_push_at_once_to_a_folder_lose_nothing(tmp_path):
    users = [[stored_run(tmp_path / user, number) for number in numbers]
             for user, numbers in (("ann", range(8)), ("bob", range(6, 14)))]  # fmt: skip
    stores = [Store(folder_files(tmp_path)) for _ in users]
    at_once(
        *(
            lambda s=store, own=own: [push(s, path) for path in own]
            for store, own in zip(stores, users, strict=True)
        )
    )
    kept = stores[0].runs()
    assert [one.run for one in kept] == [run_id(number) for number in range(14)]
    for one in kept:
        assert stores[1].pull(one, tmp_path / "pulled") == "pulled"


def test_two_users_who_push_extensions_of_one_run_at_once_keep_the_longest(tmp_path):
    lengths = [stored_run(tmp_path / str(trials), 1, trials=trials) for trials in range(1, 12)]
    works = [
        lambda own=lengths[start::2]: [push(Store(folder_files(tmp_path)), path) for path in own]
        for start in (0, 1)
    ]
    at_once(*works)
    (kept,) = Store(folder_files(tmp_path)).runs()
    assert kept.trials == 11
    assert Store(folder_files(tmp_path)).pull(kept, tmp_path / "pulled") == "pulled"


@pytest.mark.slow
def test_two_users_who_push_at_once_to_a_git_branch_lose_nothing(tmp_path):
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    works = []
    for user, numbers in (("ann", range(3)), ("bob", range(2, 5))):
        store = Store(GitFiles("runs", str(tmp_path / "remote.git"), folder=repository(tmp_path, user)))
        paths = [stored_run(tmp_path / f"{user}-runs", number) for number in numbers]
        works.append(lambda s=store, own=paths: [push(s, path) for path in own])
    at_once(*works)
    third = Store(GitFiles("runs", str(tmp_path / "remote.git"), folder=repository(tmp_path, "carol")))
    kept = third.runs()
    assert [one.run for one in kept] == [run_id(number) for number in range(5)]
    for one in kept:
        assert third.pull(one, tmp_path / "pulled") == "pulled"


def test_no_checkout_is_touched_by_a_git_branch(tmp_path):
    files = branch_files(tmp_path)
    checkout = tmp_path / "checkout"
    (checkout / "file").write_text("changed, not committed")
    (checkout / "staged").write_text("staged")
    git(checkout, "add", "staged")
    before = git(checkout, "status", "--porcelain"), git(checkout, "rev-parse", "trunk")
    push(Store(files), stored_run(tmp_path / "runs", 1))
    assert (git(checkout, "status", "--porcelain"), git(checkout, "rev-parse", "trunk")) == before
    assert sorted(path.name for path in checkout.iterdir()) == [".git", "file", "staged"]
    assert git(checkout, "rev-list", "--count", "runs") == "1"


@pytest.mark.slow
def test_a_branch_is_the_same_from_everywhere_in_its_repository(tmp_path):
    checkout = repository(tmp_path)
    below = checkout / "a" / "b"
    below.mkdir(parents=True)
    git(checkout, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    git(tmp_path, "clone", "-q", "--bare", str(checkout), "bare.git")
    git(checkout, "remote", "add", "near", "../bare.git")
    for number, folder in enumerate((checkout, below, tmp_path / "linked")):
        push(Store(GitFiles("runs", folder=folder)), stored_run(tmp_path / "runs", number))
        assert len(Store(GitFiles("runs", folder=below)).runs()) == number + 1
    push(Store(GitFiles("runs", "near", folder=below)), tmp_path / "runs" / run_id(0))
    assert len(Store(GitFiles("runs", folder=tmp_path / "bare.git")).runs()) == 1
    push(Store(GitFiles("runs", folder=tmp_path / "bare.git")), tmp_path / "runs" / run_id(1))
    assert len(Store(GitFiles("runs", "near", folder=checkout)).runs()) == 2


def test_a_branch_that_is_checked_out_is_refused(tmp_path):
    checkout = repository(tmp_path)
    store = Store(GitFiles("trunk", folder=checkout))
    with pytest.raises(StoreError, match="give a branch of its own"):
        push(store, stored_run(tmp_path / "runs", 1))


@pytest.mark.slow
def test_a_pruned_branch_of_a_remote_has_no_history(tmp_path):
    files = remote_files(tmp_path)
    store = Store(files)
    for number in range(2):
        push(store, stored_run(tmp_path / "runs", number))
    push(store, stored_run(tmp_path / "a", 2, trials=2))
    push(store, stored_run(tmp_path / "b", 2, trials=5))
    assert git(tmp_path / "remote.git", "rev-list", "--count", "runs") == "4"
    store.prune(1)
    assert git(tmp_path / "remote.git", "rev-list", "--count", "runs") == "1"
    assert [kept.run for kept in store.runs()] == [run_id(2)]


@pytest.mark.slow
def test_git_says_why_it_refuses(tmp_path):
    checkout = repository(tmp_path)
    store = Store(GitFiles("runs", "origin", folder=checkout))
    with pytest.raises(StoreError, match=r"git:runs@origin: git ls-remote failed: .*origin"):
        push(store, stored_run(tmp_path / "runs", 1))
    hook = tmp_path / "remote.git" / "hooks" / "pre-receive"
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    hook.write_text("#!/bin/sh\necho quota exceeded >&2\nexit 1\n")
    hook.chmod(0o755)
    store = Store(GitFiles("runs", str(tmp_path / "remote.git"), folder=checkout))
    with pytest.raises(StoreError, match=r"quota exceeded|declined"):
        push(store, tmp_path / "runs" / run_id(1))
    with pytest.raises(StoreError, match="cannot be the name"):
        GitFiles("a..b", folder=checkout)
    shutil.rmtree(checkout / ".git")
    with pytest.raises(StoreError, match="not a git repository"):
        GitFiles("runs", folder=checkout)


@pytest.mark.parametrize(
    "change",
    [
        {"run": "../x"},
        {"version": "other-1-2-3"},
        {"files": ({"name": "../../x", "stored": "../../x", "bytes": 1, "sha256": ""},)},
        {"files": ({"name": "/etc/x", "stored": "/etc/x", "bytes": 1, "sha256": ""},)},
        {"files": ({"name": "a/.b", "stored": "a/.b", "bytes": 1, "sha256": ""},)},
        {"files": ({"name": "a", "stored": "b", "bytes": 1, "sha256": ""},)},
        {"trials": "many"},
    ],
)
def test_markers_that_point_elsewhere_are_not_believed(change, tmp_path):
    store = Store(folder_files(tmp_path))
    push(store, stored_run(tmp_path / "runs", 1))
    (kept,) = store.runs()
    where = kept.names[0]
    raw = msgspec.to_builtins(kept)
    assert read_marker(msgspec.json.encode(raw), where) == kept
    assert read_marker(msgspec.json.encode(raw | change), where) is None
    with pytest.raises(StoreError, match="newer tare"):
        read_marker(msgspec.json.encode(raw | {"format": 2}), where)


def test_more_than_was_announced_is_not_unpacked(tmp_path):
    files = folder_files(tmp_path)
    store = Store(files)
    push(store, stored_run(tmp_path / "runs", 1))
    (kept,) = store.runs()
    trials = kept.file("trials.jsonl")
    (files.folder / kept.folder / trials.stored).write_bytes(gzip.compress(bytes(1 << 24)))
    with pytest.raises(StoreError, match="is damaged"):
        store.pull(kept, tmp_path / "other")


def test_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(repository(tmp_path))
    assert open_store("kept").files.address == str(tmp_path / "checkout" / "kept")
    assert open_store(f"file://{tmp_path}/x").files.address == f"{tmp_path}/x"
    assert open_store("git:runs@https://host/a.git").files.address == "git:runs@https://host/a.git"
    assert open_store("memory://x/y").files.address == "memory://x/y"
    with pytest.raises(StoreError, match="--store FOLDER"):
        open_store("")
    with pytest.raises(StoreError, match=r"not an address|needs"):
        open_store("nowhere://x")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(FolderFiles(tmp_path / "file" / "store"))
    with pytest.raises(StoreNotWritten, match="cannot write to the store"):
        push(store, stored_run(tmp_path / "runs", 1))


def test_a_fifo_among_a_runs_files_holds_nobody_up(tmp_path):
    store = Store(FolderFiles(tmp_path / "store"))
    run = stored_run(tmp_path / "runs", 1)
    (run / "trials.jsonl").unlink()
    os.mkfifo(run / "trials.jsonl")
    with pytest.raises(StoreError, match=r"cannot read .*trials\.jsonl: it is a FIFO"):
        push(store, run)


def test_without_git_no_branch_is_blamed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreError, match=r"^git cannot be run \(No such file or directory\): install it"):
        open_store("git:x")
