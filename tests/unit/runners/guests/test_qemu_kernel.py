import bz2
import contextlib
import gzip
import hashlib
import lzma
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.runners.guests import kernel, lz4
from tare.runners.provision.cache import Cache
from tare.runners.provision.kernel_modules import by_name, depends, ordered


def note(kind, name=b"Xen\0"):
    return struct.pack("<III", len(name), 4, kind) + name + b"\0" * (-len(name) % 4) + b"\1\2\3\4"


def elf(notes=b"", body=b""):
    """A 64-bit ELF with one program header: PT_NOTE."""
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    program = struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(notes), len(notes), 4)
    return head + program + notes + body


LINUX = b"Linux version 6.1.0-test (x)\0virtio_mmio.device\0EXT4-fs (%s)\0"
VMLINUX = elf(note(5) + note(18), LINUX)


def bzimage(payload, protocol=0x20F):
    setup = bytearray(1024)
    setup[0x1F1] = 1
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, protocol)
    struct.pack_into("<II", setup, 0x248, 16, len(payload))
    return bytes(setup) + b"\xcc" * 16 + payload


def lz4_legacy(data):
    """Literals only: enough for a reader's test of the frame."""
    out = bytearray(lz4.MAGIC)
    token = bytearray([0xF0])
    left = len(data) - 15
    while left >= 255:
        token.append(255)
        left -= 255
    token.append(left)
    block = bytes(token) + data
    return bytes(out) + struct.pack("<I", len(block)) + block + struct.pack("<I", len(data))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "lz4": lz4_legacy,
}


@pytest.mark.parametrize("name", PACKERS)
def test_bzimage_is_unpacked_for_direct_boot(name, tmp_path):
    file = tmp_path / "vmlinuz"
    file.write_bytes(bzimage(PACKERS[name](VMLINUX)))
    found = kernel.load(file, Cache(tmp_path / "cache"))
    assert found.form == "vmlinux"
    assert found.path.read_bytes() == VMLINUX
    assert found.release == "6.1.0-test"
    assert found.features == {"virtio_mmio_cmdline", "ext4"}


def test_vmlinux_is_used_as_it_is(tmp_path):
    file = tmp_path / "vmlinux"
    file.write_bytes(VMLINUX)
    assert kernel.load(file, Cache(tmp_path / "cache")).path == file


def test_bzimage_without_pvh_entry_unpacks_itself(tmp_path):
    file = tmp_path / "vmlinuz"
    file.write_bytes(bzimage(gzip.compress(elf(note(5), LINUX))))
    found = kernel.load(file, Cache(tmp_path / "cache"))
    assert (found.form, found.path) == ("bzImage", file)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello", "neither an ELF file nor a bzImage"),
        (bzimage(b"????"), "compression is unknown"),
        (bzimage(gzip.compress(VMLINUX), protocol=0x204), "older than 2.08"),
        (elf(note(18)), "no version"),
        (elf(note(5), LINUX), "no PVH entry"),
        (bzimage(gzip.compress(VMLINUX)[:40]), "no version|cannot be unpacked"),
    ],
)
def test_what_is_no_kernel_is_refused_with_the_reason(data, text, tmp_path):
    file = tmp_path / "kernel"
    file.write_bytes(data)
    with pytest.raises(kernel.BadKernel, match=text):
        kernel.load(file, Cache(tmp_path / "cache"))


def test_missing_file(tmp_path):
    with pytest.raises(kernel.BadKernel, match="cannot be read"):
        kernel.load(tmp_path / "none", Cache(tmp_path / "cache"))


@given(st.binary(max_size=400))
def test_any_bytes_either_have_the_note_or_not(data):
    assert kernel.has_pvh(elf()[:64] + data) in {True, False}


def test_lz4_overlapping_match_repeats():
    # literals "ab", then a match of 10 at offset 2: "ababababab"; the last sequence has literals only.
    block = bytes([0x26]) + b"ab" + b"\x02\x00" + bytes([0x10]) + b"!"
    frame = lz4.MAGIC + struct.pack("<I", len(block)) + block
    assert lz4.decompress_legacy(frame) == b"ab" * 6 + b"!"


@given(st.binary(max_size=300))
def test_lz4_never_fails_otherwise_than_with_value_error(data):
    with contextlib.suppress(ValueError):
        lz4.decompress_legacy(lz4.MAGIC + data, limit_bytes=1 << 20)


def test_lz4_bomb_is_refused():
    block = bytes([0x1F]) + b"a" + b"\x01\x00" + b"\xff" * 20000 + b"\0"
    frame = lz4.MAGIC + struct.pack("<I", len(block)) + block
    with pytest.raises(ValueError, match="more than"):
        lz4.decompress_legacy(frame, limit_bytes=1 << 20)


def test_modules_come_after_what_they_depend_on(tmp_path):
    needs = {
        "virtio-ring": "",
        "virtio": "virtio_ring",
        "virtio_blk": "virtio",
        "virtio_mmio": "virtio,virtio_ring",
    }
    for name, depend in needs.items():
        (tmp_path / f"{name}.ko").write_bytes(b"ELF\0license=GPL\0depends=" + depend.encode() + b"\0name=x\0")
    files = by_name(sorted(tmp_path.glob("*.ko")))
    order = ordered(("virtio_mmio", "virtio_blk"), files, frozenset())
    assert [path.stem for path in order] == ["virtio-ring", "virtio", "virtio_mmio", "virtio_blk"]
    assert depends(files["virtio_mmio"]) == ("virtio", "virtio_ring")
    assert ordered(("virtio_blk",), {}, frozenset({"virtio_blk"})) == ()


def test_a_configuration_in_the_image_is_known_by_its_hash(tmp_path):
    config = b"CONFIG_PVH=y\n"
    file = tmp_path / "vmlinux"
    file.write_bytes(elf(note(18), LINUX + b"IKCFG_ST" + gzip.compress(config) + b"IKCFG_ED"))
    found = kernel.load(file, Cache(tmp_path / "cache"))
    assert found.config_sha256 == hashlib.sha256(config).hexdigest()
    assert not found.boots_itself


def test_a_bzimage_is_what_boot_loaders_want(tmp_path):
    file = tmp_path / "vmlinuz"
    file.write_bytes(bzimage(gzip.compress(VMLINUX)))
    found = kernel.load(file, Cache(tmp_path / "cache"))
    assert found.boots_itself
    assert found.given == file
    assert found.path != file
    assert found.config_sha256 == ""
