"""Layers: equal inputs make equal bytes; the upper one wins."""

import hashlib
import importlib.util
import io
import os
import py_compile
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.runners.errors import TareError
from tare.runners.images.layers import TIME, Item, Items, fill, merge, settle, unchecked, write_tar

names = st.text("abcdefg.-é ", min_size=1, max_size=8).filter(
    lambda name: name.strip(".") and name == name.strip()
)
trees = st.dictionaries(names, st.binary(max_size=600), max_size=6)


def tar_of(tree: Path) -> bytes:
    buffer = io.BytesIO()
    write_tar(tree, buffer)
    return buffer.getvalue()


@given(trees, st.randoms())
def test_a_tar_depends_on_names_and_content_only(tmp_path_factory, files, random):
    tars = []
    for _ in range(2):
        tree = tmp_path_factory.mktemp("tree")
        order = list(files)
        random.shuffle(order)
        for name in order:
            (tree / "sub").mkdir(exist_ok=True)
            (tree / "sub" / name).write_bytes(files[name])
            os.utime(tree / "sub" / name, (random.randint(0, 9999), random.randint(0, 9999)))
        tars.append(tar_of(tree))
    assert tars[0] == tars[1]
    with tarfile.open(fileobj=io.BytesIO(tars[0])) as archive:
        read = {
            member.name.removeprefix("sub/"): archive.extractfile(member).read()
            for member in archive
            if member.isreg()
        }
        assert read == files
        assert all((member.mtime, member.uid, member.gid) == (TIME, 0, 0) for member in archive)


def test_fill(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"program")
    source.chmod(0o4755)
    items = Items()
    items.file("/lib/x/libx.so.1", source)
    items.text("etc/passwd", "root\n")
    items.folder("tmp", 0o1777)
    items.link("/lib64/ld.so", "/lib/x/libx.so.1")
    items.top_link("lib")
    tree = tmp_path / "tree"
    tree.mkdir()
    facts = fill(items, tree)
    assert (tree / "usr/lib64/ld.so").read_bytes() == b"program"
    assert str((tree / "usr/lib64/ld.so").readlink()) == "../lib/x/libx.so.1"
    assert (tree / "lib/x/libx.so.1").read_bytes() == b"program"
    assert stat.S_IMODE((tree / "usr/lib/x/libx.so.1").stat().st_mode) == 0o755
    assert stat.S_IMODE((tree / "tmp").stat().st_mode) == 0o1777
    assert {path.lstat().st_mtime_ns for path in tree.rglob("*")} == {TIME * 10**9}
    assert facts["programs"] == {"usr/lib/x/libx.so.1": hashlib.sha256(b"program").hexdigest()}
    assert facts["digest"] == "sha256:" + hashlib.sha256(tar_of(tree)).hexdigest()
    assert (facts["files"], facts["size"]) == (2, len(b"program") + len("root\n"))


def test_archivers_can_keep_the_files_of_an_image(tmp_path):
    (tmp_path / "file").write_text("x")
    settle(tmp_path, {})
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:  # refuses what is from before 1980
        archive.write(tmp_path / "file")
    zipped = subprocess.run(["gzip", "-k", "file"], cwd=tmp_path, capture_output=True, check=False)
    assert (zipped.returncode, zipped.stderr) == (
        0,
        b"",
    )  # with time 0: status 2, out of range for gzip format


def test_a_key_changes_with_its_source(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"1")
    items = Items()
    items.file("x", source)
    before = items.key()
    assert items.key() == before
    source.write_bytes(b"22")
    assert items.key() != before


def test_a_source_that_went_away_is_told(tmp_path):
    source = tmp_path / "source"
    source.touch()
    items = Items()
    items.file("x", source)
    source.unlink()
    (tmp_path / "tree").mkdir()
    with pytest.raises(TareError, match="cannot be carried"):
        fill(items, tmp_path / "tree")


def layer(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_the_upper_layer_wins_and_leaves_the_lower_alone(tmp_path):
    lower = layer(tmp_path / "lower", a__x="lower", a__y="lower", b="lower", c__z="lower")
    upper = layer(tmp_path / "upper", a__x="upper", c="upper")
    (upper / "b").mkdir()
    (upper / "b/new").write_text("upper")
    (lower / "link").symlink_to("b")
    (upper / "link").symlink_to("a")
    tree = tmp_path / "tree"
    tree.mkdir()
    merge([lower, upper], tree)
    assert (tree / "a/x").read_text() == "upper"
    assert (tree / "a/y").read_text() == "lower"
    assert (tree / "b/new").read_text() == "upper"
    assert (tree / "c").read_text() == "upper"
    assert str((tree / "link").readlink()) == "a"
    assert (lower / "a/x").read_text() == "lower"
    assert (tree / "a/y").stat().st_ino == (lower / "a/y").stat().st_ino


def test_without_hard_links_files_are_copied(tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError(18, "Invalid cross-device link")

    lower = layer(tmp_path / "lower", x="lower")
    (tmp_path / "tree").mkdir()
    monkeypatch.setattr(os, "link", refuse)
    merge([lower], tmp_path / "tree")
    assert (tmp_path / "tree/x").read_text() == "lower"


def test_an_unchecked_pyc_is_used_whatever_the_sources_time(tmp_path):
    source = tmp_path / "module.py"
    source.write_text("print('first')\n")
    compiled = Path(py_compile.compile(str(source)))
    compiled.write_bytes(unchecked(compiled.read_bytes()))
    source.write_text("print('second, and other times')\n")
    assert compiled == Path(importlib.util.cache_from_source(source))
    done = subprocess.run(
        [sys.executable, "-c", "import module"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "first\n"


def test_fingerprints_of_own_content():
    assert Item("file", content=b"a").fingerprint() != Item("file", content=b"b").fingerprint()
