"""The image's OCI form: digests that hold, equal bytes for equal inputs, one archive for all engines."""

import hashlib
import io
import json
import tarfile

import pytest

from tare.runners.errors import TareError
from tare.runners.images.layers import Items, fill, layer_of
from tare.runners.images.oci import OciImage, blob_path


def layer(folder, name, files):
    items = Items()
    for path, text in files.items():
        items.text(path, text)
    items.link("link", "/target")
    tree = folder / name
    tree.mkdir(parents=True)
    fill(items, tree)
    return layer_of(name, tree)


@pytest.fixture
def image(tmp_path):
    layers = (
        layer(tmp_path, "base", {"tare-agent": "agent", "etc/hosts": "x" * 700}),
        layer(tmp_path, "app", {"app": "v1"}),
    )
    return OciImage(layers, "tare-test:abc", {"tare.run": "r"}, environ={"B": "2", "A": "1"})


def archive_of(image):
    buffer = io.BytesIO()
    image.write_archive(buffer)
    return buffer.getvalue()


def contents(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}


def test_every_blob_has_the_digest_that_names_it(image):
    found = contents(archive_of(image))
    blobs = {name: content for name, content in found.items() if name.startswith("blobs/")}
    assert len(blobs) == 4
    for name, content in blobs.items():
        assert name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def test_the_chain_of_digests_leads_from_the_index_to_the_layers(image):
    found = contents(archive_of(image))
    (top,) = json.loads(found["index.json"])["manifests"]
    assert top["digest"] == image.digest
    manifest = json.loads(found[blob_path(top["digest"])])
    config = json.loads(found[blob_path(manifest["config"]["digest"])])
    for described in (manifest["config"], *manifest["layers"]):
        assert described["size"] == len(found[blob_path(described["digest"])])
    assert config["rootfs"]["diff_ids"] == [each["digest"] for each in manifest["layers"]]
    assert config["config"]["Entrypoint"] == ["/tare-agent"]
    assert config["config"]["Env"] == ["A=1", "B=2"]
    assert config["config"]["Labels"] == {"tare.run": "r"}
    with tarfile.open(fileobj=io.BytesIO(found[blob_path(manifest["layers"][0]["digest"])])) as tar:
        assert tar.extractfile("tare-agent").read() == b"agent"


def test_docker_finds_the_same_blobs(image):
    found = contents(archive_of(image))
    (saved,) = json.loads(found["manifest.json"])
    assert saved["RepoTags"] == ["tare-test:abc"]
    assert all(name in found for name in (saved["Config"], *saved["Layers"]))


def test_same_inputs_same_bytes(tmp_path):
    made = [
        OciImage((layer(tmp_path / each, "base", {"a": "1", "b/c": "2"}),), "x:1") for each in ("one", "two")
    ]
    assert archive_of(made[0]) == archive_of(made[1])
    assert made[0].digest == made[1].digest


def test_equal_layers_keep_their_digest_in_another_image(tmp_path, image):
    other = OciImage((image.layers[0], layer(tmp_path, "v2", {"app": "v2"})), "x:2")
    first = {each["digest"] for each in json.loads(image.manifest())["layers"]}
    second = {each["digest"] for each in json.loads(other.manifest())["layers"]}
    assert len(first & second) == 1


def test_a_layer_that_occurs_twice_is_stored_once(image):
    twice = OciImage((image.layers[0], image.layers[0]), "x:1")
    found = contents(archive_of(twice))
    assert sum(name.startswith("blobs/") for name in found) == 3


def test_a_layer_that_changed_behind_our_back_is_not_written_as_if_nothing_had_happened(image):
    (image.layers[1].tree / "app").write_bytes(b"v" * 1000)
    with pytest.raises(TareError, match="changed in the cache"):
        archive_of(image)
