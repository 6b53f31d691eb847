"""Make distributions of somebody else's that add to the suite by entry points."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tare.runners.entry_points import load_group

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, points: Mapping[str, str], source: str
) -> None:
    """Make a distribution of one module, and put it on the path of this process.

    Args:
        folder: folder to make it in.
        monkeypatch: takes it off the path again.
        package: name of the distribution; the module's has underscores.
        points: group → lines of entry points, as ``name = module:object``.
        source: code of the module.
    """
    module = package.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    facts = folder / f"{module}-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "".join(f"[{group}]\n{lines}\n" for group, lines in points.items())
    )
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    load_group.cache_clear()
