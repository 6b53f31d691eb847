"""The table of mounts: what the kernel escapes is read as it was meant, and broken lines are passed over."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tare.runners.host.files import (
    MountPoint,
    file_system,
    last_lines,
    mount_over,
    mount_points,
    mounts_below,
    read,
)


def table(root, text):
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/mountinfo").write_bytes(text.encode("utf-8", "surrogatepass"))
    return root


def test_escapes_are_resolved_and_short_lines_passed_over(tmp_path):
    root = table(
        tmp_path,
        "32 22 0:7 /x\\054y /mnt/a\\040b\\134 rw master:2 - tmpfs none rw,size=1k\nno separator\n1 2 - tmpfs\n"
        "33 22 0:8 / /plain rw - xfs /dev/a\n",
    )
    assert mount_points(root) == [
        MountPoint("/x,y", "/mnt/a b\\", "tmpfs", "none", "rw,size=1k"),
        MountPoint("/", "/plain", "xfs", "/dev/a", ""),
    ]


def test_the_longest_and_latest_mount_wins(tmp_path):
    root = table(tmp_path, "".join(f"1 1 0:1 / {point} rw - {kind} dev rw\n" for point, kind in MOUNTS))
    assert [mount_over(Path(path), root).kind for path in ("/", "/mnt", "/mnt/a", "/mntx")] == [
        "ext4", "btrfs", "btrfs", "ext4",
    ]  # fmt: skip
    assert mount_over(Path("/x"), tmp_path / "nowhere") is None


MOUNTS = (("/", "ext4"), ("/mnt", "xfs"), ("/mnt", "btrfs"))


def test_this_host():
    assert file_system(Path("/proc/self")) == "proc"


def test_a_file_that_cannot_be_read_is_none(tmp_path):
    (tmp_path / "file").write_bytes(b" \xff1 \n")
    assert read(tmp_path / "file") == "�1"
    assert read(tmp_path / "other") is None
    assert read(tmp_path) is None


@given(st.text(max_size=80))
def test_any_table_is_survived(tmp_path_factory, text):
    root = table(tmp_path_factory.mktemp("root"), f"1 1 0:1 / {text} rw - {text} dev rw\n{text}")
    assert all(isinstance(mount.kind, str) for mount in mount_points(root))
    mount_over(Path("/var/tmp"), root)


def test_the_end_of_a_log_is_read(tmp_path):
    log = tmp_path / "log"
    assert last_lines(log) == ""
    log.write_bytes(b"one\ntwo\xff\nthree\n")
    assert last_lines(log, 2) == "two\ufffd\nthree"
    assert last_lines(log) == "one\ntwo\ufffd\nthree"


def test_mounts_below_a_folder_are_listed_topmost_first(tmp_path):
    points = ("/", "/mnt", "/mnt/a", "/mntx", "/mnt/a\\040b", "/mnt/a")
    root = table(tmp_path, "".join(f"1 1 0:1 / {point} rw - xfs dev rw\n" for point in points))
    assert mounts_below(Path("/mnt"), root) == ["/mnt/a", "/mnt/a b", "/mnt/a", "/mnt"]
    assert mounts_below(Path("/mnt/a"), root) == ["/mnt/a", "/mnt/a"]
