"""Make the files that guests start from with any VMM: initramfs, root disk, template of scratch disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.runners.images.ext4 import build_ext4, empty_ext4
from tare.runners.images.initramfs import build_initramfs

if TYPE_CHECKING:
    from pathlib import Path

    from tare.runners.context import RunContext
    from tare.runners.images.image import Image
    from tare.runners.model import Limits
    from tare.runners.provision.cache import Cache
    from tare.runners.provision.tools import Provision


def initramfs(
    store: Cache, image: Image, modules: tuple[Path, ...], *, with_tree: bool, compress: bool = False
) -> Path:
    """Build the initramfs: the agent and its modules, and for guests without a disk the image's whole tree."""
    tree = image.tree if with_tree else None
    agent = image.agent.read_bytes()

    def build(content: Path) -> dict[str, object]:
        build_initramfs(content / "initramfs", image.agent, modules, tree, compress=compress)
        return {"modules": [module.name for module in modules]}

    names = [str(module) for module in modules]
    key = ("initramfs", agent.hex(), names, image.key if with_tree else "", compress)
    return store.entry("initramfs", repr(key), build).path / "initramfs"


def root_disk(store: Cache, image: Image, provision: Provision) -> Path:
    """Build the image's tree as an ext4 file system that all places share."""
    mke2fs = provision.tool("mke2fs")

    def build(content: Path) -> dict[str, object]:
        build_ext4(image.tree, content / "root.ext4", mke2fs)
        return {"image": image.key, "mke2fs": mke2fs.version}

    return store.entry("guest-root", f"{image.key} {mke2fs.version}", build).path / "root.ext4"


def scratch_template(context: RunContext, limits: Limits, provision: Provision) -> Path:
    """Make the empty scratch disk of which each place gets a copy, in the run's work folder."""
    template = context.workdir / f"scratch-{limits.scratch_bytes}.ext4"
    if not template.exists():
        empty_ext4(template, limits.scratch_bytes, provision.tool("mke2fs"))
    return template
