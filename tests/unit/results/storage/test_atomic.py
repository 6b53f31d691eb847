"""A file is replaced in one step, or stays as it was, and nothing is left beside it."""

import ast
import errno
import os

import pytest

from support.imports import modules, tree
from tare.results.storage import atomic as whole


def test_content_is_replaced_and_nothing_is_left(tmp_path):
    path = tmp_path / "a.json"
    for content in (b"one", b"two"):
        whole.write_whole(path, content)
        assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_whatever_ends_the_writing_the_old_file_stays_and_no_draft(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def half():
        with whole.replacing(path) as draft:
            draft.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        half()
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_a_draft_is_beside_its_place_and_hidden(tmp_path):
    with whole.replacing(tmp_path / "a.json") as one, whole.replacing(tmp_path / "a.json") as other:
        assert one.parent == tmp_path
        assert one.name.startswith(".a.json.")
        assert one != other
        one.touch()
        other.touch()


@pytest.mark.parametrize("lasting", [True, False])
def test_what_lasts_is_on_the_disk_before_it_takes_the_place(tmp_path, monkeypatch, lasting):
    path, synced = tmp_path / "a.json", []
    monkeypatch.setattr(os, "fsync", lambda _fd: synced.append(path.exists()))
    whole.write_whole(path, b"x", lasting=lasting)
    assert synced == [False] * lasting


BY_HAND = {
    "bench.analysis.baselines": "a folder",
    "results.imports": "a folder",
    "results.stores.packing": "a folder, and a file in one that is not in its place yet",
    "runners.containers.engines.private": "a folder",
    "runners.host.owners": "a file that is trusted later: opened without following links, for its owner alone",
    "runners.host.trees": "moves what is deep in a tree to its top, to be removed",
    "runners.images.ext4": "a program writes the draft, in a folder of the run's own",
    "runners.images.initramfs": "a stream, in a folder of the run's own",
    "runners.native.build": "a compiler writes the draft, in a temporary folder",
    "runners.provision.cache": "folders, and a file in an entry that is locked",
}
"""Module → what it renames by itself."""


def _renames(node):
    """Tell whether a node renames a file: ``path.replace(other)`` has one argument, the ``replace`` of texts two."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr not in {"rename", "replace"}:
        return False
    return ast.unparse(node.func.value) == "os" or (len(node.args) == 1 and not node.keywords)


def test_files_are_replaced_by_one_function():
    found = {
        name
        for name, path in modules().items()
        if "replace(" in (text := path.read_text("utf-8")) or "rename(" in text
        for node in ast.walk(tree(name))
        if _renames(node)
    }
    assert found - {"results.storage.atomic"} == set(BY_HAND)
