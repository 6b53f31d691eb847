"""Build an OCI image of Tare itself, with the code that builds the images for places: ``nox -s image``.

Python, Tare and what it requires are carried out of the environment that this runs in, where Tare has to be installed, not linked.
The small static programs are compiled beforehand, because there is no compiler in the image.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import distribution, version
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.runners.images.build import build_image
from tare.runners.images.image import COMMAND
from tare.runners.images.oci import of_image
from tare.runners.images.recipe import ImageContent
from tare.runners.native.build import HEADERS, compiled_beforehand
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.runners.images.oci import OciImage

LAZY = ("elftools", "shtab")
"""Packages that Tare imports by functions alone, so that the reading of its sources does not always find them."""


def sources() -> list[Path]:
    """List the sources of the static programs that run in places, and of the launcher: those with our own start code."""
    package = HEADERS.parents[1]
    found = (path for part in ("bench", "runners") for path in (package / part).rglob("*.c"))
    return sorted(path for path in found if '"sys.h"' in path.read_text("utf-8"))


def own_image(name: str, cache: Path) -> OciImage:
    """Build the image; its entry point is ``tare``.

    Raises:
        TareError: there is no compiler, or a file cannot be carried.
    """
    compiled = dict(compiled_beforehand(source, cache) for source in sources())
    site = Path(str(distribution("shtab").locate_file("")))
    content = ImageContent(
        command=(sys.executable, "-m", "tare.bench"), carry=[site / one for one in LAZY], extra_files=compiled
    )
    image = build_image(content, Provision(cache), cache, progress=print)
    made = of_image(image, name, {"org.opencontainers.image.version": version("tarebench")})
    environ = {**image.environ("/", COMMAND), "TARE_WORKDIR": "/tmp"}  # noqa: S108 - of the container
    return replace(made, entrypoint=image.argv("/", COMMAND), environ=environ)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the archive; the exit code is 0."""
    parser = argparse.ArgumentParser(prog="own_image", description=__doc__)
    parser.add_argument("archive", type=Path, help="file to write: an OCI layout and docker-archive at once")
    parser.add_argument(
        "--name", default=f"tare:{version('tarebench')}", help="repository:tag (default: %(default)s)"
    )
    given = parser.parse_args(argv)
    image = own_image(given.name, default_cache())
    with given.archive.open("wb") as file:
        image.write_archive(file)
    print(f"{given.archive}: {given.name}, {image.digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
