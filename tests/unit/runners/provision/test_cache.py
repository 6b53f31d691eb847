"""Entries are whole or not there, also when writers die, disks fill up, or two runs want the same."""

import errno
import json
import multiprocessing
import os
import stat
import threading
import time
from pathlib import Path

import pytest

from tare.runners.errors import TareError
from tare.runners.provision import cache as module
from tare.runners.provision.cache import CONTENT, MANIFEST, SEEN, Cache, default_cache


def small(content: Path) -> dict[str, object]:
    (content / "sub").mkdir()
    (content / "sub/file").write_bytes(b"hello")
    (content / "link").symlink_to("sub/file")
    return {"answer": 42}


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, said: list[str]) -> Cache:
    return Cache(tmp_path / "cache", said.append)


def fresh(cache: Cache) -> Cache:
    """As another process would see it: with nothing verified yet."""
    return Cache(cache.folder, cache.say)


def never(_content: Path) -> dict[str, object]:
    raise AssertionError("it was there, and should not have been built")


def test_an_entry_is_built_once_and_found_again(cache, said):
    made = cache.entry("kind", "key", small)
    found = fresh(cache).entry("kind", "key", never)
    assert made == found
    assert (found.path / "sub/file").read_bytes() == b"hello"
    assert found.facts == {"answer": 42}
    assert said == []


def test_threads_that_want_the_same_wait_in_silence_and_one_builds_it(cache, said):
    begun, go_on, found = threading.Event(), threading.Event(), []

    def slow(content):
        begun.set()
        assert go_on.wait(10)
        return small(content)

    threads = [threading.Thread(target=lambda: found.append(cache.entry("kind", "key", slow)))]
    threads[0].start()
    assert begun.wait(10)
    threads.append(threading.Thread(target=lambda: found.append(cache.entry("kind", "key", never))))
    threads[1].start()
    with pytest.raises(BlockingIOError), cache.locked("kind", cache.path("kind", "key").name, wait=False):
        pass
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == 2
    assert found[0] == found[1]
    assert said == []


def test_the_root_of_an_entry_is_open_to_others_whatever_the_umask(cache):
    own = os.umask(0o077)
    try:
        entry = cache.entry("kind", "key", small)
    finally:
        os.umask(own)
    assert [folder.stat().st_mode & 0o777 for folder in (entry.path, entry.path.parent)] == [0o755, 0o755]


def test_other_keys_are_other_entries(cache):
    assert cache.entry("kind", "a", small).path != cache.entry("kind", "b", small).path


def corrupt_size(entry: Path) -> None:
    (entry / CONTENT / "sub/file").write_bytes(b"hello, world")


def corrupt_content(entry: Path) -> None:
    (entry / CONTENT / "sub/file").write_bytes(b"jello")


def corrupt_silently(entry: Path) -> None:
    file = entry / CONTENT / "sub/file"
    before = file.stat()
    file.write_bytes(b"jello")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def remove_file(entry: Path) -> None:
    (entry / CONTENT / "sub/file").unlink()


def add_file(entry: Path) -> None:
    (entry / CONTENT / "more").touch()


def turn_link(entry: Path) -> None:
    (entry / CONTENT / "link").unlink()
    (entry / CONTENT / "link").symlink_to("/etc/passwd")


def change_mode(entry: Path) -> None:
    (entry / CONTENT / "sub/file").chmod(0o777)


def remove_manifest(entry: Path) -> None:
    (entry / MANIFEST).unlink()


def cut_manifest(entry: Path) -> None:
    text = (entry / MANIFEST).read_bytes()
    (entry / MANIFEST).write_bytes(text[: len(text) // 2])


def forge_manifest(entry: Path) -> None:
    _, body = (entry / MANIFEST).read_text().split("\n", 1)
    manifest = json.loads(body)
    manifest["facts"] = {"answer": 43}
    (entry / MANIFEST).write_text("0" * 64 + "\n" + json.dumps(manifest))


def fill_manifest_with_noise(entry: Path) -> None:
    (entry / MANIFEST).write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    "damage",
    [
        corrupt_size,
        corrupt_content,
        corrupt_silently,
        remove_file,
        add_file,
        turn_link,
        change_mode,
        remove_manifest,
        cut_manifest,
        forge_manifest,
        fill_manifest_with_noise,
    ],
)
def test_damage_is_noticed_said_and_repaired(cache, said, damage):
    entry = cache.entry("kind", "key", small)
    damage(entry.path.parent)
    repaired = fresh(cache).entry("kind", "key", small)
    assert (repaired.path / "sub/file").read_bytes() == b"hello"
    assert repaired.facts == {"answer": 42}
    assert len(said) == 1
    assert "damaged" in said[0]
    assert fresh(cache).entry("kind", "key", never) == repaired


def large(content: Path) -> dict[str, object]:
    (content / "large").write_bytes(bytes(17 << 20))
    return {}


def one_file(content: Path) -> dict[str, object]:
    (content / "file").write_bytes(b"content")
    return {}


def test_a_change_is_noticed_whatever_the_size_and_the_time_of_modification(cache, said):
    entry = cache.entry("kind", "key", large)
    fresh(cache).entry("kind", "key", never)
    file = entry.path / "large"
    before = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"x")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh(cache).entry("kind", "key", large)
    assert "other content" in said[0]


def test_what_has_not_changed_is_hashed_once(cache, monkeypatch):
    monkeypatch.setattr(module, "_SETTLED_NS", 0)
    cache.entry("kind", "key", one_file)
    fresh(cache).entry("kind", "key", never)
    hashed = []
    monkeypatch.setattr(module, "sha256_of", hashed.append)
    fresh(cache).entry("kind", "key", never)
    assert hashed == []


def test_what_was_changed_just_before_it_was_hashed_is_hashed_again(cache, monkeypatch):
    monkeypatch.setattr(module, "_SETTLED_NS", 1 << 62)
    cache.entry("kind", "key", one_file)
    fresh(cache).entry("kind", "key", never)
    hashed = []
    real = module.sha256_of
    monkeypatch.setattr(module, "sha256_of", lambda path: hashed.append(path) or real(path))
    fresh(cache).entry("kind", "key", never)
    assert len(hashed) == 1


@pytest.mark.parametrize("text", ["", "[]", "{", '{"file": 5}'])
def test_a_damaged_list_of_what_was_hashed_costs_a_hash_only(cache, said, text):
    entry = cache.entry("kind", "key", one_file)
    (entry.path.parent / SEEN).write_text(text)
    fresh(cache).entry("kind", "key", never)
    assert said == []


def test_content_from_elsewhere_is_reached_by_its_owner_only(cache):
    def with_setuid(content: Path) -> dict[str, object]:
        (content / "program").write_bytes(b"")
        (content / "program").chmod(0o4755)
        return {}

    entry = cache.entry("kind", "key", with_setuid, private=True)
    assert stat.S_IMODE(entry.path.parent.stat().st_mode) == 0o700
    entry.path.parent.chmod(0o755)
    again = fresh(cache).entry("kind", "key", never, private=True)
    assert stat.S_IMODE(again.path.parent.stat().st_mode) == 0o700


def test_a_stale_entry_is_said_and_built_again(cache, said):
    cache.entry("kind", "key", small)
    again = cache.entry(
        "kind",
        "key",
        lambda content: {**small(content), "answer": 7},
        stale=lambda facts: "it is 42" * (facts["answer"] == 42),
    )
    assert again.facts == {"answer": 7}
    assert "it is 42" in said[0]


def test_a_failing_builder_leaves_nothing_and_spoils_nothing(cache):
    cache.entry("kind", "other", small)
    before = sorted(cache.folder.rglob("*"))

    def fails(content: Path) -> dict[str, object]:
        (content / "half").write_bytes(b"half")
        raise TareError("no")

    with pytest.raises(TareError, match="no"):
        cache.entry("kind", "key", fails)
    left = [path for path in cache.folder.rglob("*") if path not in before and path.suffix != ".lock"]
    assert left == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_and_keeps_the_entry_that_was_there(cache, number):
    entry = cache.entry("kind", "key", small)

    def fills_up(_content: Path) -> dict[str, object]:
        raise OSError(number, os.strerror(number))

    with pytest.raises(TareError, match=r"no room left.*TARE_CACHE"):
        fresh(cache).entry("kind", "key", fills_up, stale=lambda _facts: "old")
    assert fresh(cache).entry("kind", "key", never) == entry


def test_what_a_dead_builder_left_is_removed(cache):
    place = cache.path("kind", "key")
    half = place.parent / f"tare-tmp-{place.name}-abc"
    (half / CONTENT).mkdir(parents=True)
    (half / CONTENT / "x").touch()
    (half / CONTENT).chmod(0o500)
    cache.entry("kind", "key", small)
    assert not half.exists()


def test_sweep_removes_dead_builders_leavings_of_all_entries(cache):
    entry = cache.entry("kind", "key", small)
    half = entry.path.parent.parent / f"tare-tmp-{entry.path.parent.name}-abc"
    half.mkdir()
    assert cache.sweep() == [str(half)]
    assert entry.path.exists()
    assert cache.sweep() == []


def test_sweep_removes_what_was_not_used_for_long(cache):
    entry = cache.entry("kind", "key", small)
    (lock,) = (cache.folder / "locks").glob("kind-*.lock")
    long_ago = time.time() - 100 * 86400
    os.utime(lock, (long_ago, long_ago))
    assert cache.sweep() == [str(entry.path.parent)]


def test_find_does_not_build(cache):
    assert cache.find("kind", "key") is None
    entry = cache.entry("kind", "key", small)
    assert fresh(cache).find("kind", "key") == entry


def _build_and_count(folder: str, counter: str, barrier) -> None:
    def build(content: Path) -> dict[str, object]:
        with Path(counter).open("a") as file:
            file.write("x")
        return small(content)

    barrier.wait()
    entry = Cache(Path(folder)).entry("kind", "key", build)
    assert (entry.path / "sub/file").read_bytes() == b"hello"


@pytest.mark.slow
def test_of_many_processes_one_builds(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    counter = tmp_path / "count"
    arguments = (str(tmp_path / "cache"), str(counter), barrier)
    children = [context.Process(target=_build_and_count, args=arguments) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    assert counter.read_text() == "x"


def _die_while_building(folder: str) -> None:
    def build(content: Path) -> dict[str, object]:
        (content / "half").write_bytes(b"half")
        os._exit(9)

    Cache(Path(folder)).entry("kind", "key", build)


def test_a_builder_that_dies_is_followed_by_one_that_does_not(cache):
    child = multiprocessing.get_context("spawn").Process(
        target=_die_while_building, args=(str(cache.folder),)
    )
    child.start()
    child.join(60)
    assert child.exitcode == 9
    entry = cache.entry("kind", "key", small)
    assert sorted(path.name for path in entry.path.parent.parent.iterdir()) == [entry.path.parent.name]


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TARE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert default_cache() == tmp_path / "home/.cache/tare"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache() == tmp_path / "xdg/tare"
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "own"))
    assert default_cache() == tmp_path / "own"


def test_an_impossible_cache_folder_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "file/below"))
    with pytest.raises(TareError, match="Set TARE_CACHE"):
        default_cache()


def test_a_user_without_home_is_told_which_variable_to_set(monkeypatch):
    for name in ("TARE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "home_folder", lambda: None)
    with pytest.raises(TareError, match=r"no entry in passwd.*Set TARE_CACHE"):
        default_cache()
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    with pytest.raises(TareError, match="Set TARE_CACHE"):
        default_cache()
