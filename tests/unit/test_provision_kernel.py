"""Guest kernels: the user's, the host's, and modules as plain files in the order of their needs."""

import gzip
import lzma
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from runners.model import TareError
from runners.provision import kernel as kernel_module
from runners.provision.cache import Cache
from runners.provision.kernel import guest_kernel, plain_modules
from runners.provision.missing import Missing
from runners.qemu.modules import by_name, ordered

CONFIG = """\
CONFIG_VIRTIO=y
CONFIG_VIRTIO_BLK=m
CONFIG_EXT4_FS=y
CONFIG_BLK_DEV_INITRD=y
# CONFIG_PVH is not set
CONFIG_HZ=250
"""


def module(*needs: str) -> bytes:
    return b"\x7fELF\0" + b"license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0"


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def modules(tmp_path) -> Path:
    folder = tmp_path / "modules/kernel/drivers"
    folder.mkdir(parents=True)
    (folder / "virtio.ko").write_bytes(module())
    (folder / "virtio_ring.ko.gz").write_bytes(gzip.compress(module("virtio")))
    (folder / "virtio-blk.ko.xz").write_bytes(
        lzma.compress(module("virtio", "virtio_ring"), check=lzma.CHECK_CRC32)
    )
    (folder / "unrelated.ko").write_bytes(module("virtio"))
    return tmp_path / "modules"


def no_zstd() -> tuple[str, ...]:
    raise AssertionError("no module needs it")


def test_modules_are_plain_and_ordered(cache, modules):
    found = plain_modules(cache, modules, ("virtio_blk", "ext4"), no_zstd)
    assert [path.name for path in found] == ["virtio.ko", "virtio_ring.ko", "virtio_blk.ko"]
    assert found[1].read_bytes() == module("virtio")
    assert plain_modules(cache, modules, ("virtio_blk", "ext4"), no_zstd) == found


def test_modules_that_need_each_other_end(cache, modules):
    (modules / "a.ko").write_bytes(module("b"))
    (modules / "b.ko").write_bytes(module("a"))
    assert sorted(path.name for path in plain_modules(cache, modules, ("a",), no_zstd)) == ["a.ko", "b.ko"]


@pytest.mark.skipif(not shutil.which("zstd"), reason="no zstd on this host to compress with")
def test_zstd_modules(cache, modules):
    packed = subprocess.run(["zstd", "-q", "-c"], input=module(), capture_output=True, check=True).stdout
    (modules / "net.ko.zst").write_bytes(packed)
    (found,) = plain_modules(cache, modules, ("net",), lambda: ("zstd", "-d", "-q", "-c"))
    assert found.read_bytes() == module()


def test_a_cut_module_is_told(cache, modules):
    (modules / "cut.ko.xz").write_bytes(lzma.compress(module())[:20])
    with pytest.raises(TareError, match=r"cut\.ko\.xz cannot be unpacked"):
        plain_modules(cache, modules, ("cut",), no_zstd)


def test_the_users_kernel_comes_without_modules(cache, tmp_path):
    path = tmp_path / "vmlinuz-1.2.3"
    path.write_bytes(b"kernel")
    found = guest_kernel(cache, no_zstd, given=str(path))
    assert (found.origin, found.release, found.modules, found.config) == ("given", "1.2.3", (), {})
    assert found.module_folder is None


def test_the_users_kernel_with_modules_and_config(cache, tmp_path, modules):
    path = tmp_path / "vmlinuz-1.2.3"
    path.write_bytes(b"kernel")
    (tmp_path / "config-1.2.3").write_text(CONFIG)
    found = guest_kernel(cache, no_zstd, given=str(path), modules=str(modules))
    assert [each.name for each in found.modules][-1] == "virtio_blk.ko"
    assert (found.config["PVH"], found.config["VIRTIO_BLK"], found.config["HZ"]) == ("n", "m", "250")
    assert found.record()["modules"].keys() == {"virtio.ko", "virtio_ring.ko", "virtio_blk.ko"}


@pytest.mark.parametrize("folder", ["", "/nonexistent"])
def test_given_but_not_there(cache, tmp_path, folder):
    path = tmp_path / "vmlinux"
    if folder:
        path.touch()
    with pytest.raises(Missing, match=r"not a file|not there"):
        guest_kernel(cache, no_zstd, given=str(path), modules=folder)


def host_kernel(tmp_path: Path, config: str) -> Path:
    boot = tmp_path / "boot"
    boot.mkdir()
    (boot / f"vmlinuz-{platform.release()}").write_bytes(b"kernel")
    (boot / f"config-{platform.release()}").write_text(config)
    return boot


def test_the_hosts_kernel_needs_what_guests_need(cache, tmp_path, monkeypatch):
    boot = host_kernel(tmp_path, CONFIG.replace("CONFIG_VIRTIO=y\n", ""))

    def fetched(*_arguments, **_options):
        raise Missing("fetching", "no")

    monkeypatch.setattr(kernel_module, "fetch", fetched)
    with pytest.raises(Missing, match="fetching"):
        guest_kernel(cache, no_zstd, boot=boot)


def test_serves(tmp_path):
    boot = host_kernel(tmp_path, CONFIG)
    kernel, config = sorted(boot.iterdir(), reverse=True)
    assert kernel_module._serves(kernel, config, tmp_path)
    assert not kernel_module._serves(kernel, config, tmp_path / "absent")
    assert not kernel_module._serves(tmp_path / "absent", config, tmp_path)


def test_what_a_module_wants_before_it_comes_before_it(cache, tmp_path):
    """ext4 loads without a checksum's module, and then mounts nothing."""
    folder = tmp_path / "folder"
    folder.mkdir()
    ext4 = module().replace(b"name=x", b"softdep=pre: crypto-crc32c post: other\0name=ext4")
    (folder / "ext4.ko").write_bytes(ext4)
    (folder / "crc32c_generic.ko").write_bytes(module())
    (folder / "other.ko").write_bytes(module())
    found = plain_modules(cache, folder, ["ext4"], no_zstd)
    assert [path.name for path in found] == ["crc32c_generic.ko", "ext4.ko"]
    assert [path.name for path in ordered(["ext4"], by_name(found), frozenset())] == [
        "crc32c_generic.ko",
        "ext4.ko",
    ]


def test_kernels_can_be_asked_for_by_a_word(cache, monkeypatch):
    asked = []

    def fetched(packages, *_arguments, **_options):
        asked.append(packages.names[0])
        raise Missing("fetching", "no")

    monkeypatch.setattr(kernel_module, "fetch", fetched)
    for word in ("cloud", "generic"):
        with pytest.raises(Missing, match="fetching"):
            guest_kernel(cache, no_zstd, given=word)
    assert ["cloud" in names for names in asked] == [True, False]


def test_the_hosts_kernel_by_name_is_used_or_refused(cache, tmp_path):
    with pytest.raises(Missing, match="cannot be a guest's"):
        guest_kernel(cache, no_zstd, given="host", boot=tmp_path)
