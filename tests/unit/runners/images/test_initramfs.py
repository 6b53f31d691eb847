"""The archive is what the kernel's own reader expects: read back here by its rules."""

import gzip
import io
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.runners.images.initramfs import Cpio, build_initramfs
from tare.runners.images.layers import TIME


def read(data: bytes) -> dict[str, tuple[int, bytes, tuple[int, int]]]:
    """Name → mode, content, device. By buffer-format.rst; asserts what it demands."""
    found = {}
    at = 0
    inodes = set()
    while True:
        assert at % 4 == 0
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * index : at + 14 + 8 * index], 16) for index in range(13)]
        (
            inode,
            mode,
            uid,
            gid,
            _links,
            mtime,
            size,
            _major,
            _minor,
            device_major,
            device_minor,
            length,
            check,
        ) = fields
        name = data[at + 110 : at + 110 + length]
        assert name.endswith(b"\0")
        at += -(-(110 + length) // 4) * 4
        content = data[at : at + size]
        assert len(content) == size
        at += -(-size // 4) * 4
        if name == b"TRAILER!!!\0":
            assert len(data) % 512 == 0
            assert set(data[at:]) <= {0}
            return found
        assert (uid, gid, mtime, check) == (0, 0, TIME, 0)
        assert inode not in inodes
        inodes.add(inode)
        found[name[:-1].decode()] = (mode, content, (device_major, device_minor))


@given(st.dictionaries(st.text("abcé/-", min_size=1, max_size=30), st.binary(max_size=1000), max_size=5))
def test_what_is_written_is_read(files):
    buffer = io.BytesIO()
    archive = Cpio(buffer)
    for name, content in files.items():
        archive.file(name, content)
    archive.end()
    assert {name: content for name, (_mode, content, _device) in read(buffer.getvalue()).items()} == files


@pytest.fixture
def agent(tmp_path) -> Path:
    path = tmp_path / "agent"
    path.write_bytes(b"agent")
    return path


def test_agent_modules_and_devices(tmp_path, agent):
    modules = [tmp_path / "virtio.ko", tmp_path / "virtio_blk.ko"]
    for module in modules:
        module.write_bytes(module.name.encode())
    found = read(build_initramfs(tmp_path / "initramfs", agent, modules).read_bytes())
    assert found["init"] == (stat.S_IFREG | 0o755, b"agent", (0, 0))
    assert [name for name in found if name.startswith("modules/")] == [
        "modules/00-virtio.ko",
        "modules/01-virtio_blk.ko",
    ]
    assert found["dev/console"] == (stat.S_IFCHR | 0o600, b"", (5, 1))
    assert found["dev/null"][2] == (1, 3)
    assert {path.name for path in tmp_path.iterdir()} == {"agent", "initramfs", "virtio.ko", "virtio_blk.ko"}


def test_a_whole_tree_parents_first_and_nothing_twice(tmp_path, agent):
    tree = tmp_path / "tree"
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "dev").mkdir()
    (tree / "tmp").mkdir()
    (tree / "tmp").chmod(0o1777)
    (tree / "usr/bin/x").write_bytes(b"x")
    (tree / "bin").symlink_to("usr/bin")
    (tree / "init").write_bytes(b"not this one")
    found = read(build_initramfs(tmp_path / "initramfs", agent, extra_tree=tree).read_bytes())
    assert found["init"][1] == b"agent"
    assert found["bin"] == (stat.S_IFLNK | 0o777, b"usr/bin", (0, 0))
    assert found["tmp"][0] == stat.S_IFDIR | 0o1777
    order = list(found)
    assert order.index("usr") < order.index("usr/bin") < order.index("usr/bin/x")


def test_compressed_and_twice_the_same(tmp_path, agent):
    plain = build_initramfs(tmp_path / "a", agent).read_bytes()
    packed = build_initramfs(tmp_path / "b", agent, compress=True).read_bytes()
    assert gzip.decompress(packed) == plain
    assert build_initramfs(tmp_path / "c", agent, compress=True).read_bytes() == packed
