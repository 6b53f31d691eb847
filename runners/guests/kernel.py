"""Read from a guest kernel's file what it is and can do.

A user's kernel comes without its configuration. But the features that decide how a guest can be built (virtio by ACPI
or by command line, PCI, a block device, a console) leave fixed strings in the unpacked image, names of parameters and
drivers, which are looked for.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import re
import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.guests import lz4
from tare.runners.host.endings import last_words

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.provision.cache import Cache
    from tare.runners.provision.kernel import GuestKernel

_ZSTD = b"\x28\xb5\x2f\xfd"

MARKS = {
    "virtio_mmio_cmdline": b"virtio_mmio.device\0",
    "virtio_mmio": b"virtio-mmio\0",
    "virtio_pci": b"virtio-pci\0",
    "virtio_blk": b"virtio_blk\0",
    "virtio_console": b"vport%up%u",
    "virtio_net": b"virtio_net\0",
    "virtio_balloon": b"virtio_balloon\0",
    "ext4": b"EXT4-fs (%s)",
    "acpi": b"ACPI: Interpreter enabled",
    "pci": b"PCI: Using configuration type",
    "serial": b"ttyS\0",
}
"""Built-in feature → a string that only a kernel with it contains."""

_RELEASE = re.compile(rb"Linux version (\S+)")


class BadKernel(TareError):
    """A file that cannot be booted as a guest kernel."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A guest kernel, ready for QEMU."""

    path: Path
    """File for QEMU: the uncompressed ELF if it has a PVH entry, else the file as given."""
    release: str
    """Release as ``uname -r`` prints it."""
    form: str
    """``vmlinux`` (PVH direct boot) or ``bzImage`` (it unpacks itself inside the guest)."""
    boots_itself: bool
    """The file as given is a bzImage, which boot loaders need."""
    features: frozenset[str]
    """Names in :data:`MARKS` of the features that are built in."""
    sha256: str
    """Hash of the file as given."""
    given: Path
    """File as given."""
    config_sha256: str = ""
    """Hash of the configuration in the image (``CONFIG_IKCONFIG``); empty: there is none."""


def load(path: Path, store: Cache) -> Kernel:
    """Read a kernel; unpack it into the cache if that makes it boot faster.

    Raises:
        BadKernel: the file is neither an ELF nor a bzImage, or is damaged, or cannot be unpacked here.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadKernel(say(
            "kernel.guest_unreadable", "guest kernel {path} cannot be read: {strerror}",
            path=path, strerror=error.strerror,
        )) from error  # fmt: skip
    digest = hashlib.sha256(data).hexdigest()
    if data[:4] == b"\x7fELF":
        return _describe(path, path, data, digest)

    def build(content: Path) -> dict[str, str]:
        (content / "vmlinux").write_bytes(_unzstd(data) if data[:4] == _ZSTD else unpack(data))
        return {"from": digest}

    try:
        unpacked = store.entry("vmlinux", digest, build).path / "vmlinux"
    except (ValueError, zlib.error, lzma.LZMAError, EOFError) as error:
        raise BadKernel(say(
            "kernel.not_unpacked", "guest kernel {path} cannot be unpacked: {error}; give an uncompressed vmlinux",
            path=path, error=error,
        )) from error  # fmt: skip
    return _describe(path, unpacked, unpacked.read_bytes(), digest)


def context_facts(given: GuestKernel, kernel: Kernel) -> dict[str, object]:
    """Collect the facts about a kernel for the context of places.

    Args:
        given: the kernel as provisioning found it.
        kernel: the same, read.
    """
    return {
        "kernel": kernel.release,
        "kernel_origin": given.origin,
        **({"kernel_note": given.note} if given.note else {}),
        "kernel_sha256": kernel.sha256,
        "kernel_config_sha256": given.config_sha256 or kernel.config_sha256 or "unknown",
    }


def _describe(given: Path, unpacked: Path, image: bytes, digest: str) -> Kernel:
    found = _RELEASE.search(image)
    if found is None:
        raise BadKernel(say(
            "kernel.no_version", "{given} does not look like a Linux kernel: no version in it",
            given=given,
        ))  # fmt: skip
    pvh = has_pvh(image)
    if not pvh and given == unpacked:
        raise BadKernel(say(
            "kernel.no_pvh", "{given} has no PVH entry (CONFIG_PVH); give the bzImage instead",
            given=given,
        ))  # fmt: skip
    return Kernel(
        path=unpacked if pvh else given,
        release=found[1].decode("ascii", "replace"),
        form="vmlinux" if pvh else "bzImage",
        boots_itself=is_bzimage(given),
        features=frozenset(name for name, mark in MARKS.items() if mark in image),
        sha256=digest,
        given=given,
        config_sha256=_config_sha256(image),
    )


def _config_sha256(image: bytes) -> str:
    begin = image.find(b"IKCFG_ST\x1f\x8b")
    if begin < 0:
        return ""
    try:
        return hashlib.sha256(zlib.decompressobj(31).decompress(image[begin + 8 :])).hexdigest()
    except zlib.error:
        return ""


def is_bzimage(path: Path) -> bool:
    """Tell whether a file has the header by which boot loaders recognise a kernel."""
    with path.open("rb") as file:
        return file.read(0x206)[0x202:] == b"HdrS"


def unpack(image: bytes) -> bytes:
    """Unpack the vmlinux in a bzImage (``Documentation/arch/x86/boot.rst``: ``payload_offset``, ``payload_length``).

    Raises:
        ValueError: the image is no bzImage of boot protocol 2.08 or later, or its compression is unknown.
    """
    if len(image) < 0x260 or image[0x202:0x206] != b"HdrS":
        raise ValueError(say("kernel.kind", "it is neither an ELF file nor a bzImage"))
    if struct.unpack_from("<H", image, 0x206)[0] < 0x208:
        raise ValueError(say("kernel.boot_protocol", "its boot protocol is older than 2.08"))
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (setup_sectors + 1) * 512 + offset
    payload = image[begin : begin + length]
    if payload[:2] == b"\x1f\x8b":
        return zlib.decompressobj(31).decompress(payload)
    if payload[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(payload)
    if payload[:3] == b"BZh":
        return bz2.BZ2Decompressor().decompress(payload)
    if payload[:3] == b"\x5d\x00\x00":
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(payload)
    if payload[:4] == lz4.MAGIC:
        return lz4.decompress_legacy(payload)
    if payload[:4] == _ZSTD:
        return _unzstd(payload[:-4])
    raise ValueError(say(
            "kernel.compression", "its compression is unknown (it begins with {payload})", payload=payload[:4].hex()
        ))  # fmt: skip


def _unzstd(data: bytes) -> bytes:
    program = shutil.which("zstd")
    if program is None:
        raise ValueError(
            say("kernel.zstd", "it is compressed with zstd, which is not installed (apt-get install zstd)")
        )
    done = subprocess.run([program, "-dcq"], input=data, capture_output=True, check=False)
    if done.returncode:
        raise ValueError(say(
            "kernel.zstd_failed", "zstd: {told}",
            told=last_words(done.stderr.decode(errors="replace"), done.returncode),
        ))  # fmt: skip
    return done.stdout


def has_pvh(image: bytes) -> bool:
    """Tell whether an ELF has the Xen note with the 32-bit PVH entry (XEN_ELFNOTE_PHYS32_ENTRY, 18)."""
    if image[:5] != b"\x7fELF\x02" or len(image) < 64:
        return False
    table, size, count = (
        struct.unpack_from("<Q", image, 32)[0],
        *struct.unpack_from("<HH", image, 54),
    )
    for index in range(count):
        at = table + index * size
        if at + 56 > len(image):
            return False
        kind, offset, length = (
            struct.unpack_from("<I", image, at)[0],
            struct.unpack_from("<Q", image, at + 8)[0],
            struct.unpack_from("<Q", image, at + 32)[0],
        )
        if kind == 4 and _note(image[offset : offset + length]):
            return True
    return False


def _note(notes: bytes) -> bool:
    at = 0
    while at + 12 <= len(notes):
        name_size, value_size, kind = struct.unpack_from("<III", notes, at)
        if kind == 18 and notes[at + 12 : at + 12 + name_size] == b"Xen\0":
            return True
        at += 12 + (name_size + 3 & ~3) + (value_size + 3 & ~3)
    return False
