"""Places seen from inside: what their environment is, and what they let their jobs do to the host.

``inside.c`` looks and tries, in every place the same bytes; what it answers is read here, in :mod:`.fingerprint` and
:mod:`.attempts`, and judged against the host.
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
"""Where the image carries it."""


def image_files(cache: Path) -> Mapping[str, Path]:
    """What the image must carry: path in the image → file of the host. Compiles it on first use."""
    return {PATH: build(SOURCE, cache)}


def program(place: Place) -> str:
    """The program's path as a place's jobs see it."""
    return place.root.rstrip("/") + PATH
