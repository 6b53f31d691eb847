"""Disks of folders, on a fake sysfs."""

import os

import pytest

from tare.runners.host import disks


@pytest.fixture
def sysfs(tmp_path, monkeypatch):
    disk = tmp_path / "sys/devices/virtio0/vda"
    (disk / "vda1").mkdir(parents=True)
    (disk / "dev").write_text("254:0\n")
    (disk / "vda1/dev").write_text("254:1\n")
    (disk / "vda1/partition").write_text("1\n")
    links = tmp_path / "sys/dev/block"
    links.mkdir(parents=True)
    (links / "254:0").symlink_to(disk)
    (links / "254:1").symlink_to(disk / "vda1")
    return tmp_path, lambda device: monkeypatch.setattr(disks, "_device", lambda _path: os.makedev(*device))


@pytest.mark.parametrize(
    ("device", "expected"),
    [((254, 0), "254:0"), ((254, 1), "254:0"), ((0, 33), "")],
    ids=["disk", "partition", "none"],
)
def test_a_folders_disk(sysfs, device, expected):
    root, on = sysfs
    on(device)
    assert disks.disk_of(root, root) == expected
