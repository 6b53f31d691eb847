"""Examine places from inside: their environment, their limits, their network, and what they let jobs do to the host.

The same static program, ``inside.c``, runs in every place. The modules here parse its output and compare it with what
the host shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tare.runners.native.build import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.model import Place

SOURCE = Path(__file__).with_name("inside.c")

PATH = "/tare-inside"
"""Path of the program in the image."""


def image_files(cache: Path) -> Mapping[str, Path]:
    """Return the files that the image must carry: path in the image → file of the host. Compiles on first use."""
    return {PATH: build(SOURCE, cache)}


def program(place: Place) -> str:
    """Return the program's path as the jobs of a place see it."""
    return place.root.rstrip("/") + PATH
