"""Make toy kernels, an image and QEMU runners for the tests of guests."""

import contextlib
import os
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.launched_places import EMPTY, State, run_context, settled_state
from tare.bench.request.layers import merge
from tare.runners.guests.qemu.runner import QemuRunner
from tare.runners.images.build import build_image
from tare.runners.images.image import Image
from tare.runners.images.recipe import ImageContent
from tare.runners.model import Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision
from tare.runners.settings import GuestSettings

LOAD = 0x1000000

HANG = b"\xfa\xf4\xeb\xfd"  # cli; hlt; jmp -3
TRIPLE_FAULT = b"\x0f\x01\x1d" + struct.pack("<I", LOAD + 0x100) + b"\x0f\x0b"  # lidt [zeros]; ud2
FLOOD = b"\x66\xba\xf8\x03\xb0x\xee\xeb\xfd"  # mov dx, 0x3f8; mov al, 'x'; out dx, al; jmp -3


def toy_kernel(path: Path, code: bytes, *, virtio: bool = True) -> Path:
    """Write a kernel of some bytes of code, entered in 32-bit mode by its PVH note, that claims to have drivers."""
    features = b"Linux version 0.0-toy x\0ttyS\0"
    if virtio:
        features += b"virtio_mmio.device\0virtio-mmio\0virtio_blk\0vport%up%u\0EXT4-fs (%s)\0"
    body = code.ljust(0x200, b"\0") + features
    note = struct.pack("<III", 4, 8, 18) + b"Xen\0" + struct.pack("<Q", LOAD)
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, LOAD, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    start = 64 + 2 * 56 + len(note)
    load = struct.pack("<IIQQQQQQ", 1, 7, start, LOAD, LOAD, len(body), len(body), 4096)
    notes = struct.pack("<IIQQQQQQ", 4, 4, 64 + 2 * 56, 0, 0, len(note), len(note), 4)
    path.write_bytes(head + load + notes + note + body)
    return path


@contextlib.contextmanager
def guest_runner(
    name: str, limits: Limits, *, image: Image | None = None, left: State = EMPTY, **settings: Any
) -> Iterator[Any]:
    """Give a prepared runner ``qemu-NAME``; afterwards nothing of the run may be on the host but ``left``."""
    run = f"guest-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    with run_context(run) as (context, small_image):
        provision = Provision(context.cache)
        runner = QemuRunner(context, provision, guest_settings(**settings), name=f"qemu-{name}")
        try:
            probe = runner.probe()
            if not probe.ok and ":" in name:
                pytest.skip(f"{name}: {probe.reason} {probe.remedy}")
            assert probe.ok, f"{probe.reason}; {probe.remedy}"
            runner.prepare(image or _with_mount_points(small_image), limits)
            yield runner
        finally:
            runner.close()
    assert settled_state(run) == left


def guest_settings(**settings: Any) -> GuestSettings:
    """Read settings as options give them: ``kernel="cloud"``; ``None`` stands for one that is not given."""
    return merge({f"guest.{key}": value for key, value in settings.items()}, environ={}).guest


def _with_mount_points(image: Image) -> Image:
    for name in ("dev", "proc", "sys", "tmp", "run", "scratch"):
        (image.tree / name).mkdir(exist_ok=True)
    return image


def busybox_image(**extra_files: Path) -> Image:
    """Build an image of busybox; ``extra_files``: name in the image's root → file of the host."""
    cache = default_cache()
    return build_image(
        ImageContent(programs=["busybox"], extra_files=extra_files or {}), Provision(cache), cache
    )
