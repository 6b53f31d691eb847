"""Guest kernels: the user's, the host's, and modules as plain files in the order of their needs."""

import gzip
import lzma
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tare.runners.errors import Missing, TareError
from tare.runners.provision import kernel as kernel_module
from tare.runners.provision.cache import Cache
from tare.runners.provision.kernel import GuestKernel, HostKernel, guest_kernel, plain_modules
from tare.runners.provision.kernel_modules import by_name, ordered

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


def test_the_users_kernel_with_modules_and_config(cache, tmp_path, modules):
    path = tmp_path / "vmlinuz-1.2.3"
    path.write_bytes(b"kernel")
    (tmp_path / "config-1.2.3").write_text(CONFIG)
    found = guest_kernel(cache, no_zstd, given=str(path), modules=str(modules))
    assert [each.name for each in found.modules][-1] == "virtio_blk.ko"
    assert (found.config["PVH"], found.config["VIRTIO_BLK"], found.config["HZ"]) == ("n", "m", "250")
    assert found.record()["modules"].keys() == {"virtio.ko", "virtio_ring.ko", "virtio_blk.ko"}


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_given_but_not_there(cache, tmp_path, folder):
    path = tmp_path / "vmlinux"
    if folder:
        path.touch()
    with pytest.raises(Missing, match=r"not a file|not there"):
        guest_kernel(cache, no_zstd, given=str(path), modules=folder and str(tmp_path / folder))


@pytest.mark.parametrize(
    ("kernel", "config"),
    [
        ("boot/vmlinuz-7.2-cloud", "boot/config-7.2-cloud"),
        ("usr/lib/modules/7.2-cloud/vmlinuz", "usr/lib/modules/7.2-cloud/config"),
    ],
)
def test_a_fetched_kernel_is_in_boot_or_with_its_modules(
    cache, tmp_path, modules, monkeypatch, kernel, config
):
    """Debian 14 has packages of their own for the kernel, its modules, and what both need."""
    shutil.copytree(modules, tmp_path / "usr/lib/modules/7.2-cloud")
    for name, text in ((kernel, "kernel"), (config, CONFIG)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def fetched(packages, *_arguments, **_options):
        parts = ("image", "binary", "modules", "base")
        assert all(re.fullmatch(packages.only, f"linux-{part}-7.2.12+deb14-cloud-amd64") for part in parts)
        assert not re.fullmatch(packages.only, "linux-base-cloud-amd64")
        return SimpleNamespace(path=tmp_path, facts={"packages": {"linux": "7.2"}})

    monkeypatch.setattr(kernel_module, "fetch", fetched)
    found = guest_kernel(cache, no_zstd, given="cloud")
    assert (found.path, found.release, found.config["HZ"]) == (tmp_path / kernel, "7.2-cloud", "250")
    assert "virtio_blk.ko" in {path.name for path in found.modules}


def host_kernel(tmp_path: Path, config: str = CONFIG, way: str = "boot") -> HostKernel:
    """A host that keeps its kernel in /boot, or with its modules, or shows its configuration in /proc only."""
    host = HostKernel("6.9", tmp_path / "boot", tmp_path / "modules-of", tmp_path / "config.gz")
    folder = host.modules / host.release
    folder.mkdir(parents=True)
    host.boot.mkdir()
    if way == "modules":
        (folder / "vmlinuz").write_bytes(b"kernel")
        (folder / "config").write_text(config)
    else:
        (host.boot / "vmlinuz-6.9").write_bytes(b"kernel")
        if way == "proc":
            host.running_config.write_bytes(gzip.compress(config.encode()))
        else:
            (host.boot / "config-6.9").write_text(config)
    return host


@pytest.mark.parametrize("way", ["boot", "modules", "proc"])
def test_the_hosts_kernel_is_found_where_distributions_keep_it(cache, tmp_path, way):
    host = host_kernel(tmp_path, way=way)
    for given in ("", "host"):
        found = guest_kernel(cache, no_zstd, given=given, host=host)
        assert (found.origin, found.release, found.path.read_bytes()) == ("system", "6.9", b"kernel")
        assert found.note == ""


def spoil(host: HostKernel, how: str) -> None:
    if how == "absent":
        (host.boot / "vmlinuz-6.9").unlink()
    elif how == "unreadable":
        (host.boot / "vmlinuz-6.9").unlink()
        (host.boot / "vmlinuz-6.9").mkdir()
    elif how == "config":
        (host.boot / "config-6.9").unlink()
    elif how == "modules":
        shutil.rmtree(host.modules)
    else:
        (host.boot / "config-6.9").write_text(CONFIG.replace(f"{how}=y\n", ""))


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("absent", "exists"),
        ("unreadable", "cannot be read .*Is a directory"),
        ("config", "its configuration cannot be found"),
        ("modules", "its modules are not in"),
        ("CONFIG_EXT4_FS", "it lacks CONFIG_EXT4_FS"),
    ],
)
def test_why_the_hosts_kernel_cannot_be_a_guests(cache, tmp_path, monkeypatch, how, why):
    host = host_kernel(tmp_path)
    spoil(host, how)
    with pytest.raises(Missing, match=why) as caught:
        guest_kernel(cache, no_zstd, given="host", host=host)
    assert "--guest-kernel cloud" in caught.value.remedy

    another = GuestKernel(tmp_path, "6.1", (), {}, "", "", "fetched")
    monkeypatch.setattr(kernel_module, "_fetched", lambda *_, **__: another)
    found = guest_kernel(cache, no_zstd, host=host)
    assert found.origin == "fetched"
    assert found.note == caught.value.reason


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
    nowhere = HostKernel("6.9", tmp_path, tmp_path, tmp_path)
    with pytest.raises(Missing, match="cannot be a guest's"):
        guest_kernel(cache, no_zstd, given="host", host=nowhere)
