"""Find the kernel modules that a guest needs, in the order in which they must be loaded.

Dependencies are read from the modules themselves (``depends=`` in their ``.modinfo`` section), without ``depmod``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_DEPENDS = re.compile(rb"(?:^|\0)depends=([^\0]*)\0")
_BEFORE = re.compile(rb"(?:^|\0)softdep=pre: ([^\0]*)\0")
_PROVIDERS = {"crc32c": "crc32c_generic", "crypto-crc32c": "crc32c_generic"}
"""Function that modules ask for → module that provides it on every processor."""


def by_name(modules: Iterable[Path]) -> dict[str, Path]:
    """Index plain ``.ko`` files by module name, with ``_`` for ``-``: the kernel takes them for the same."""
    return {path.stem.replace("-", "_"): path for path in modules}


def ordered(wanted: Iterable[str], files: dict[str, Path], built_in: frozenset[str]) -> tuple[Path, ...]:
    """List the files of the wanted modules and of all they depend on, dependencies first.

    Raises:
        TareError: a module is neither built in nor among the files.
    """
    order: dict[str, Path] = {}

    def visit(name: str) -> None:
        if name in order or name in built_in:
            return
        if name not in files:
            raise TareError(say(
                "fetch.no_module", "the guest kernel has no module {name}; give another kernel (TARE_GUEST_KERNEL)",
                name=name,
            ))  # fmt: skip
        for needed in depends(files[name]):
            visit(needed)
        for helpful in wanted_before(files[name]):
            if helpful in files:
                visit(helpful)
        order[name] = files[name]

    for name in wanted:
        visit(name)
    return tuple(order.values())


def depends(module: Path) -> tuple[str, ...]:
    """Name the modules that a module needs."""
    found = _DEPENDS.search(module.read_bytes())
    return tuple(name.replace("-", "_") for name in found[1].decode().split(",") if name) if found else ()


def wanted_before(module: Path) -> tuple[str, ...]:
    """Name the modules that a module asks the kernel for when it works, such as a checksum for ext4.

    Without them it can be loaded, but fails later. If they are built in, there are no such files.
    """
    texts = (found.decode().partition("post:")[0] for found in _BEFORE.findall(module.read_bytes()))
    names = [name for text in texts for name in text.split()]
    return tuple(_PROVIDERS.get(name, name.replace("-", "_")) for name in names)
