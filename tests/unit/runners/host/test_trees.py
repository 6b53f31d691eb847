"""Remove trees that jobs have filled: deep ones, locked ones, ones with links out."""

import os
import subprocess
import sys

import pytest

from tare.runners.host.trees import remove_tree


def nest(folder, levels):
    """Make folders in folders, deeper than a path may be long."""
    at = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("deep", dir_fd=at)
        below = os.open("deep", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def test_folders_nested_deeper_than_paths_reach(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    nest(tree, 1200)
    (tree / "file").write_text("x")
    remove_tree(tree)
    assert list(tmp_path.iterdir()) == []


def test_few_descriptors_suffice(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    nest(tree, 1000)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))\n"
        "from pathlib import Path\nfrom tare.runners.host.trees import remove_tree\n"
        "remove_tree(Path(sys.argv[1]))\n"
    )
    subprocess.run([sys.executable, "-c", code, tree], check=True)
    assert not tree.exists()


def test_links_are_removed_and_not_followed(tmp_path):
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    tree = tmp_path / "tree"
    (tree / "in").mkdir(parents=True)
    (tree / "link").symlink_to(outside)
    (tree / "in/link").symlink_to(outside / "kept")
    (tree / "in/nowhere").symlink_to("missing")
    remove_tree(tree)
    assert (outside / "kept").is_dir()
    assert list(tmp_path.iterdir()) == [outside]


def test_a_tree_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/kept").write_text("")
    (tmp_path / "tree").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match=r"Not a directory|Too many"):
        remove_tree(tmp_path / "tree")
    assert (tmp_path / "outside/kept").exists()


def test_modes_of_folders_do_not_matter(tmp_path):
    tree = tmp_path / "tree"
    locked = tree / "a/b/c"
    locked.mkdir(parents=True)
    (locked / "file").write_text("x")
    for folder in (locked, locked.parent, locked.parent.parent):
        folder.chmod(0)
    remove_tree(tree)
    assert list(tmp_path.iterdir()) == []


def test_names_that_a_job_may_have_used(tmp_path):
    tree = tmp_path / "tree"
    for name in (".1.tare/x", ".2.tare/y/z", "a/b/c", ".3.tare"):
        (tree / name).mkdir(parents=True)
    (tree / ".4.tare").write_text("file")
    remove_tree(tree)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a file immutable to itself by a mount")
def test_what_cannot_be_removed_is_said_and_the_rest_goes(tmp_path):
    tree = tmp_path / "tree"
    (tree / "held").mkdir(parents=True)
    (tree / "goes/deep").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", tree / "held"], check=True)
    try:
        with pytest.raises(OSError, match="busy"):
            remove_tree(tree)
        assert [entry.name for entry in tree.iterdir()] == ["held"]
    finally:
        subprocess.run(["umount", tree / "held"], check=True)
    remove_tree(tree)
    assert list(tmp_path.iterdir()) == []
