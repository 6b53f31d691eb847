"""Read and write the small files that control groups are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read(file: Path) -> str:
    """Read a file without the blanks around its text; empty if it cannot be read."""
    try:
        return file.read_text("ascii").strip()
    except OSError:
        return ""


def words(file: Path) -> set[str]:
    """Read a file as a set of words; empty if it cannot be read."""
    return set(read(file).split())


def write(file: Path, text: str) -> None:
    """Write to a file of a control group; raises :class:`OSError` if the kernel refuses."""
    file.write_text(text, "ascii")
