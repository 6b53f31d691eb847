"""Deploying without an engine: what is moved and what is not."""

import gzip
import io
import os
import tarfile

import pytest

from tare.bench.experiments.delivery import CACHED, EMPTY, Shelf, blob, sizes
from tare.bench.experiments.deploy import DEPLOYS
from tare.bench.measurable import Terms, Unsuitable
from tare.runners.errors import TareError
from tare.runners.fake import FakeRunner
from tare.runners.host import residency
from tare.runners.images.image import Image
from tare.runners.images.layers import Items, fill, layer_of
from tare.runners.images.oci import OciImage, of_image
from tare.runners.model import Limits
from tare.runners.provision.cache import Cache


def made(folder, name, files):
    items = Items()
    for path, text in files.items():
        items.text(path, text)
    tree = folder / name
    tree.mkdir()
    fill(items, tree)
    return layer_of(name, tree)


@pytest.fixture
def versions(tmp_path):
    base = made(tmp_path, "base", {"etc/os": "x" * 50_000})
    return [
        Image(version, tmp_path, (base, made(tmp_path, version, {"srv/app": version})), {}, {})
        for version in ("v1", "v2")
    ]


def shelf(tmp_path, name):
    (tmp_path / name).mkdir()
    return Shelf(tmp_path / name, Cache(tmp_path / "cache"))


def test_a_target_that_has_the_base_gets_the_top_layer_only(tmp_path, versions):
    one, two = versions
    target = shelf(tmp_path, "target")
    target.deliver(one, CACHED)
    image, cached = target.deliver(two, CACHED)
    _, empty = shelf(tmp_path, "empty").deliver(two, EMPTY)
    assert (image.tree / "srv/app").read_text() == "v2"
    assert (image.tree / "etc/os").read_text() == "x" * 50_000
    assert empty.moved_bytes - cached.moved_bytes == two.layers[0].tar_bytes
    store = Cache(tmp_path / "cache")
    packed = [blob(layer, store).stat().st_size for layer in two.layers]
    assert empty.compressed_bytes - cached.compressed_bytes == packed[0]
    oci = of_image(two, "x:1")
    assert sizes(oci, two.layers[1:], store)[1] == packed[1] + len(oci.config()) + len(oci.manifest())


def test_blobs_are_what_gzip_makes_of_the_layers(tmp_path, versions):
    layer = versions[0].layers[0]
    tar = io.BytesIO()
    layer.write_tar(tar)
    packed = blob(layer, Cache(tmp_path / "cache")).read_bytes()
    assert gzip.decompress(packed) == tar.getvalue()
    assert len(packed) == len(gzip.compress(tar.getvalue(), 6, mtime=0))
    assert packed[4:8] == bytes(4)  # no time in it


def test_a_damaged_blob_is_not_unpacked(tmp_path, versions):
    target = shelf(tmp_path, "target")
    path = blob(versions[0].layers[1], target.store)
    path.write_bytes(gzip.compress(b"other"))
    with pytest.raises(TareError, match="is damaged in the cache"):
        target.deliver(versions[0], EMPTY)


def test_an_archive_can_leave_out_what_the_engine_has(versions):
    image = versions[1]
    oci = OciImage(image.layers, "x:1")
    written = io.BytesIO()
    oci.write_archive(written, without={image.layers[0].digest})
    written.seek(0)
    with tarfile.open(fileobj=written) as archive:
        names = archive.getnames()
    assert f"blobs/sha256/{image.layers[0].digest[7:]}" not in names
    assert f"blobs/sha256/{image.layers[1].digest[7:]}" in names


def test_what_is_read_is_seen_in_the_page_cache(tmp_path):
    (tmp_path / "file").write_bytes(b"1" * 3_000_001)
    (tmp_path / "link").symlink_to("file")
    assert residency.resident_bytes(tmp_path) == 3_000_001
    residency.evict(tmp_path)
    left = residency.resident_bytes(tmp_path)
    with (tmp_path / "file").open("rb") as file:
        file.read()
    # Some file systems (tmpfs) cannot let go of pages.
    assert left <= residency.resident_bytes(tmp_path) == 3_000_001


@pytest.mark.parametrize(
    ("name", "image", "reason"),
    [
        ("bare", "", "no deployment"),
        ("runc", "", "no deployment"),
        ("namespaces", "x.tar", "images of its own"),
    ],
)
def test_runners_and_images_that_are_not_deployed_to(name, image, reason):
    with pytest.raises(Unsuitable, match=reason):
        DEPLOYS[0].admit(FakeRunner(name), Terms(Limits(1, 1 << 30), image=image))


def test_a_server_that_refuses_to_be_root_needs_another_user(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(Unsuitable, match="has no other user"):
        DEPLOYS[-1].admit(FakeRunner("namespaces"), Terms(Limits(1, 1 << 30)))
    DEPLOYS[-1].admit(FakeRunner("qemu-q35"), Terms(Limits(1, 1 << 30)))


@pytest.mark.parametrize("name", ["namespaces", "docker", "docker:none", "qemu-q35"])
def test_runners_that_are_deployed_to(name):
    DEPLOYS[0].admit(FakeRunner(name), Terms(Limits(1, 1 << 30)))


def test_deploys_are_long_and_must_be_asked_for():
    assert all(each.from_mode == "named" for each in DEPLOYS)
