"""Images made to harm end in a sentence, soon, and write nothing outside of the tree."""

import gzip
import io
import json
import shutil
import subprocess
import tarfile

import pytest

from support.image_making import digest, docker_archive, layout, tar
from tare.runners.errors import TareError
from tare.runners.images import external as module
from tare.runners.images import external_files as box
from tare.runners.images import tar_reading
from tare.runners.images.apply import DEEPEST, Applier
from tare.runners.images.external import read_external
from tare.runners.images.overlay import unpack_external
from tare.runners.provision.cache import Cache


def raw(name, *, kind=tarfile.REGTYPE, size=0, body=b"", pax=None, **more):
    """Make the bytes of one member; its header may lie about the size."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = kind, size
    for key, value in more.items():
        setattr(entry, key, value)
    entry.pax_headers = pax or {}
    head = entry.tobuf(tarfile.PAX_FORMAT) if pax else entry.tobuf(tarfile.GNU_FORMAT)
    return head + body + b"\0" * (-len(body) % 512)


END = b"\0" * 1024
HOSTILE = {
    "user 2^33": (raw("f", uid=1 << 33) + END, "which is impossible"),
    "no user": (raw("f", uid=(1 << 32) - 1) + END, "which is impossible"),
    "a negative group": (raw("f", gid=-1) + END, "which is impossible"),
    "a negative size": (raw("f", size=-512) + END, "negative size"),
    "a negative size by an extended header": (raw("f", pax={"size": "-512"}) + END, "negative size|damaged"),
    "a damaged header that is not the first": (raw("f") + b"\x01" * 512 + raw("g") + END, "damaged"),
    "a size that is not there": (raw("f", size=1 << 60) + END, "fetch or save it again"),
    "a terabyte of holes": (
        raw("f", pax={"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 40)}) + END,
        "that are not there",
    ),
    "a name of a gigabyte": (raw("././@LongLink", kind=tarfile.GNUTYPE_LONGNAME, size=1 << 30) + END, "a header has"),
    "extended headers of extended headers": (
        raw("x", kind=tarfile.XHDTYPE, size=6, body=b"6 a=b\n") * 2_000 + END,
        "fetch or save it again",
    ),
    "NUL in a name": (raw("f", pax={"path": "a\0b"}) + END, "fetch or save it again"),
    "a name that is too long": (raw("a" * 300) + END, "cannot be made here"),
    "folders without end": (raw("d/" * (DEEPEST + 1) + "f") + END, "levels deep"),
    "the root as a file": (tar(("a/../..", b"x")), "outside of itself"),
    "a whiteout of nothing": (tar((".wh.", b"")), "which is no name"),
    "a whiteout of the parent": (tar(("a/.wh...", b"")), "which is no name"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_layer_is_refused_and_stays_inside(tmp_path, kind):
    layer, words = HOSTILE[kind]
    tree = tmp_path / "in" / "tree"
    tree.mkdir(parents=True)
    with pytest.raises(TareError, match=words):
        Applier(tree).apply(io.BytesIO(layer), "layer")
    assert [each.name for each in tmp_path.rglob("*") if tree not in each.parents] == ["in", "tree"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_image_with_a_hostile_layer_is_refused_and_nothing_is_kept(tmp_path, kind):
    image = read_external(str(layout(tmp_path / "image", [HOSTILE[kind][0]])))
    cache = Cache(tmp_path / "cache")
    with pytest.raises(TareError):
        unpack_external(image, cache, lambda _line: None)
    assert not list((tmp_path / "cache").glob("given-trees/*"))


def test_deep_folders_by_way_of_links_are_refused(tmp_path):
    half = "d/" * (DEEPEST - 10)
    layer = tar((f"{half}f", b""), ("link", tarfile.SYMTYPE, half), ("link/" + "e/" * 20 + "f", b""))
    with pytest.raises(TareError, match="levels deep"):
        Applier(tmp_path).apply(io.BytesIO(layer), "layer")


def test_entries_that_are_there_twice_count_the_last_time(tmp_path):
    Applier(tmp_path).apply(io.BytesIO(tar(("f", b"1"), ("f", b"22"), ("d/x", b""), ("d", b"3"))), "layer")
    assert (tmp_path / "f").read_bytes() == b"22"
    assert (tmp_path / "d").read_bytes() == b"3"


def test_whiteouts_of_the_root_empty_it_and_no_more(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    applier = Applier(tree)
    applier.apply(io.BytesIO(tar(("a/b", b""), ("c", b""))), "lower")
    applier.apply(io.BytesIO(tar((".wh..wh..opq", b""), ("new", b""))), "upper")
    assert [path.name for path in tmp_path.rglob("*")] == ["tree", "new"]


def test_too_many_members_are_refused(monkeypatch):
    monkeypatch.setattr(tar_reading, "MOST_MEMBERS", 3)
    archive = tar(*((str(number), b"") for number in range(4)))
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as opened,
        pytest.raises(tarfile.TarError, match="members"),
    ):
        list(tar_reading.members(opened))


def test_an_archive_of_too_many_files_is_no_image(tmp_path, monkeypatch):
    monkeypatch.setattr(box, "_MOST_FILES", 3)
    with pytest.raises(TareError, match="more than 3 files"):
        read_external(str(docker_archive(tmp_path / "image.tar", [tar(("a", b"")), tar(("b", b""))])))


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_a_layer_that_unpacks_to_far_more_than_it_has_is_refused(tmp_path, monkeypatch, compress):
    if compress == "zstd" and not shutil.which("zstd"):
        pytest.skip("no zstd: apt-get install zstd")
    monkeypatch.setattr(module, "LEAST_BOUND_BYTES", 1 << 20)
    plain = tar(("zeros", bytes(3 << 20)))
    folder = layout(tmp_path / "image", [plain])
    if compress == "zstd":
        _repack(folder, plain)
    cache = Cache(tmp_path / "cache")
    with pytest.raises(TareError, match="times its size"):
        unpack_external(read_external(str(folder)), cache, lambda _line: None)
    assert not list((tmp_path / "cache").glob("given-layers/*"))


def _repack(folder, plain):
    """Replace the layer of a layout by the same one in zstd's format."""
    packed = subprocess.run(["zstd", "-q"], input=plain, stdout=subprocess.PIPE, check=True).stdout
    index = json.loads((folder / "index.json").read_text())
    blobs = folder / "blobs/sha256"
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    manifest["layers"][0]["digest"] = digest(packed)
    (blobs / digest(packed)[7:]).write_bytes(packed)
    text = json.dumps(manifest).encode()
    (blobs / digest(text)[7:]).write_bytes(text)
    index["manifests"][0]["digest"] = digest(text)
    (folder / "index.json").write_text(json.dumps(index))


def test_what_is_small_may_be_packed_as_well_as_it_likes(tmp_path):
    folder = layout(tmp_path / "image", [tar(("zeros", bytes(1 << 20)))])
    unpacked = unpack_external(read_external(str(folder)), Cache(tmp_path / "cache"), lambda _line: None)
    assert (unpacked.tree / "zeros").stat().st_size == 1 << 20


def test_indexes_of_indexes_are_read_once_each(tmp_path):
    folder = layout(tmp_path, [tar(("a", b""))])
    path = folder / "index.json"
    entries = json.loads(path.read_text())["manifests"]
    for _level in range(4):
        content = json.dumps({"manifests": entries}).encode()
        (folder / "blobs/sha256" / digest(content)[7:]).write_bytes(content)
        kind = "application/vnd.oci.image.index.v1+json"
        entries = [{"mediaType": kind, "digest": digest(content)}] * 3_000
    path.write_text(json.dumps({"manifests": entries}))
    assert len(read_external(str(folder)).layers) == 1


def test_a_link_to_itself_in_an_archive_is_a_missing_file(tmp_path):
    path = tmp_path / "image.tar"
    path.write_bytes(tar(("index.json", tarfile.SYMTYPE, "index.json")))
    with pytest.raises(TareError, match=r"lacks index\.json"):
        read_external(str(path))


def test_a_link_between_the_files_of_an_archive_is_followed(tmp_path):
    docker_archive(tmp_path / "image.tar", [tar(("a", b""))])
    content = (tmp_path / "image.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        layer = archive.extractfile("0/layer.tar").read()
        small = {name: archive.extractfile(name).read() for name in ("manifest.json", "config.json")}
    path = tmp_path / "linked.tar"
    path.write_bytes(
        tar(*small.items(), ("real.tar", layer), ("0/layer.tar", tarfile.SYMTYPE, "../real.tar"))
    )
    unpack_external(read_external(str(path)), Cache(tmp_path / "cache"), lambda _line: None)


def test_names_that_are_numbers_and_references_that_are_too_long_are_told(tmp_path):
    path = docker_archive(tmp_path / "image.tar", [])
    config = {"rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}
    saved = [{"Config": "c", "Layers": [5]}]
    path.write_bytes(tar(("manifest.json", json.dumps(saved).encode()), ("c", json.dumps(config).encode())))
    with pytest.raises(TareError, match="not a valid image"):
        read_external(str(path))
    # Before Python 3.14 a path says itself that it is too long; from then on it is one that does not exist.
    with pytest.raises(TareError, match=r"too long|no such file") as told:
        read_external("a" * 5_000)
    assert len(str(told.value)) < 500


def test_a_compressed_archive_that_is_cut_is_told(tmp_path):
    path = docker_archive(tmp_path / "image.tar", [tar(("a", b"x" * 10_000))])
    path.write_bytes(gzip.compress(path.read_bytes())[:-300])
    with pytest.raises(TareError, match=r"image\.tar"):
        unpack_external(read_external(str(path)), Cache(tmp_path / "cache"), lambda _line: None)
