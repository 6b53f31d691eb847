"""Put the program that looks around inside a place into an image made by hand."""

import shutil

from tare.runners.images.image import Image
from tare.runners.inside import SOURCE
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache


def with_program(image: Image) -> Image:
    """Add ``/tare-inside`` to the image's tree."""
    shutil.copy(build(SOURCE, default_cache()), image.tree / "tare-inside")
    return image
