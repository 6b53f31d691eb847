"""The program that looks around inside a place, in an image made by hand."""

import shutil

from tare.runners.inside import SOURCE
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache


def with_program(image):
    shutil.copy(build(SOURCE, default_cache()), image.tree / "tare-inside")
    return image
