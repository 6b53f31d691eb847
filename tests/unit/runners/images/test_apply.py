"""Layers that were made elsewhere: OCI's whiteouts, and nothing outside of the tree whatever they say."""

import contextlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.image_making import tar
from tare.runners.errors import TareError
from tare.runners.images.apply import Applier

LINK, HARD, FOLDER = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


def applied(tmp_path, *layers):
    tree = tmp_path / "tree"
    tree.mkdir()
    applier = Applier(tree)
    for layer in layers:
        applier.apply(io.BytesIO(layer), "layer")
    applier.end()
    return applier


def files(tree):
    return {str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir()}


def test_whiteouts_remove_what_is_below_and_only_that(tmp_path):
    lower = tar(
        ("a/gone", b"1"), ("a/stays", b"1"), ("opaque/low", b"1"), ("opaque/deep/low", b"1"), ("dir/x", b"1")
    )
    upper = tar(
        ("a/.wh.gone", b""),
        ("opaque/high", b"2"),
        ("opaque/.wh..wh..opq", b""),  # behind its siblings, as some tools write it
        (".wh.dir", b""),
        ("a/.wh.never-was", b""),
    )
    tree = applied(tmp_path, lower, upper).tree
    assert files(tree) == {"a/stays", "opaque/high"}
    assert not (tree / "dir").exists()
    assert not (tree / "opaque/deep").exists()


def test_kinds_may_change_from_layer_to_layer(tmp_path):
    lower = tar(("one", FOLDER, ""), ("one/x", b"1"), ("two", b"1"), ("three", LINK, "two"))
    upper = tar(("one", b"2"), ("two", FOLDER, ""), ("two/y", b"2"), ("three", b"3"))
    tree = applied(tmp_path, lower, upper).tree
    assert (tree / "one").read_bytes() == b"2"
    assert (tree / "two/y").read_bytes() == b"2"
    assert not (tree / "three").is_symlink()


def test_absolute_names_are_below_the_tree(tmp_path):
    tree = applied(tmp_path, tar(("/etc/thing", b"1"), ("./usr//x", b"2"))).tree
    assert files(tree) == {"etc/thing", "usr/x"}


@pytest.mark.parametrize("target", ["/", "../../..", "{outside}", "sub/../../../.."])
def test_nothing_is_written_through_a_link_that_leads_out(tmp_path, target):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("mine")
    target = target.format(outside=outside)
    layer = tar(("way", LINK, target), ("way/evil", b"1"), ("way/.wh.kept", b""), ("way/.wh..wh..opq", b""))
    tree = applied(tmp_path, layer).tree
    assert {path.name for path in tmp_path.iterdir()} == {"outside", "tree"}
    assert (outside / "kept").read_text() == "mine"
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert "evil" in {path.name for path in tree.rglob("*")}


def test_a_file_replaces_a_link_and_not_what_it_leads_to(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    tree = applied(tmp_path, tar(("x", LINK, str(victim)), ("x", b"theirs"))).tree
    assert victim.read_text() == "mine"
    assert (tree / "x").read_bytes() == b"theirs"


def test_hard_links(tmp_path):
    tree = applied(tmp_path, tar(("a", b"1"), ("d/b", HARD, "a"), ("c", HARD, "/a"))).tree
    assert (tree / "a").stat().st_nlink == 3


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd", "nowhere"])
def test_a_hard_link_to_the_host_is_refused(tmp_path, target):
    with pytest.raises(TareError, match="which is not in it"):
        applied(tmp_path, tar(("x", HARD, target)))


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "a/.wh..."])
def test_names_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(TareError, match="not used"):
        applied(tmp_path, tar((name, b"1")))
    assert {path.name for path in tmp_path.iterdir()} == {"tree"}


def test_a_circle_of_links_is_refused(tmp_path):
    with pytest.raises(TareError, match="not a folder in it"):
        applied(tmp_path, tar(("a", LINK, "b"), ("b", LINK, "a"), ("a/x", b"1")))


def test_devices_are_left_out_and_counted(tmp_path):
    applier = applied(
        tmp_path, tar(("null", tarfile.CHRTYPE, ""), ("pipe", tarfile.FIFOTYPE, ""), ("x", b"1"))
    )
    assert files(applier.tree) == {"x"}
    assert sum(applier.skipped.values()) == 2


def test_a_layer_that_is_cut_off(tmp_path):
    whole = tar(("big", bytes(100_000)))
    with pytest.raises(TareError, match="fetch or save it again"):
        applied(tmp_path, whole[:50_000])


@given(st.binary(max_size=2000), st.integers(0, 4000))
def test_garbage_never_ends_in_anything_but_an_error(tmp_path_factory, noise, at):
    whole = tar(("a/b", b"1" * 900), ("c", LINK, "a"), ("c/d", HARD, "a/b"))
    damaged = whole[:at] + noise + whole[at + len(noise) :]
    folder = tmp_path_factory.mktemp("fuzz")
    with contextlib.suppress(TareError):
        applied(folder, damaged)
    assert {path.name for path in folder.iterdir()} == {"tree"}
