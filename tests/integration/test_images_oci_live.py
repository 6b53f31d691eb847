"""What other tools say of the image's OCI form. Docker's own word: ``test_docker.py``, whose images are loaded so."""

import json
import os
import shutil
import subprocess
import tempfile

import pytest

from tare.runners.images.build import build_image
from tare.runners.images.oci import of_image
from tare.runners.images.recipe import ImageContent
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration


def tool(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: `apt-get install {name}`")
    return found


def said(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def image():
    cache = default_cache()
    return of_image(
        build_image(ImageContent(), Provision(cache), cache), "tare-test:oci", {"tare.run": "test"}
    )


@pytest.fixture(scope="module")
def archive(image, tmp_path_factory):
    path = tmp_path_factory.mktemp("oci") / "image.tar"
    with path.open("wb") as file:
        image.write_archive(file)
    return path


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_skopeo_reads_the_archive_in_both_ways(image, archive, transport):
    facts = json.loads(said(tool("skopeo"), "inspect", f"{transport}:{archive}"))
    assert facts["Layers"] == [layer.digest for layer in image.layers]
    assert facts["Labels"] == {"tare.run": "test"}
    if transport == "oci-archive":
        assert facts["Digest"] == image.digest


def test_umoci_unpacks_the_layout(image, archive, tmp_path):
    umoci = tool("umoci")
    (tmp_path / "layout").mkdir()
    said("tar", "-xf", str(archive), "-C", f"{tmp_path}/layout")
    said(umoci, "unpack", "--rootless", "--image", f"{tmp_path}/layout:oci", str(tmp_path / "bundle"))
    agent = tmp_path / "bundle/rootfs/tare-agent"
    assert agent.read_bytes() == (image.layers[0].tree / "tare-agent").read_bytes()


def test_podman_loads_it_under_its_name(image, archive):
    if os.getuid():
        pytest.skip("storage of its own needs root, or a rootless set-up")
    # Podman wants this path shorter than pytest's folders are.
    with tempfile.TemporaryDirectory(prefix="tare-t") as folder:
        podman = [
            tool("podman"), "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs",
            "--events-backend", "none",
        ]  # fmt: skip
        assert "tare-test:oci" in said(*podman, "load", "-i", str(archive))
        (facts,) = json.loads(said(*podman, "image", "inspect", "tare-test:oci"))
        assert facts["RootFS"]["Layers"] == [layer.digest for layer in image.layers]
        assert facts["Config"]["Entrypoint"] == ["/tare-agent"]
        said(*podman, "rmi", "--all", "--force")
