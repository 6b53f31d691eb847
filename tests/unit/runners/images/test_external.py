"""Images that were made elsewhere: the formats, this machine's among several, and what is wrong with the bad ones."""

import io
import json
import os
import shutil

import pytest
from hypothesis import given as cases
from hypothesis import strategies as st

from support.image_making import archived, digest, docker_archive, layout, tar
from tare.runners.errors import TareError
from tare.runners.images.external import read_external
from tare.runners.images.image import ROOT
from tare.runners.images.overlay import command_in, lay_over, unpack_external
from tare.runners.provision import arch
from tare.runners.provision.cache import Cache

BASE, APP = tar(("etc/os", b"made elsewhere"), ("app", b"v1")), tar(("app", b"v2"), (".wh.etc", b""))
STARTED = {"Env": ["A=b=c", "PATH=/x"], "WorkingDir": "/w", "Entrypoint": ["/e"], "Cmd": ["c", "d"]}


def forms(tmp_path):
    yield layout(tmp_path / "packed", [BASE, APP], started=STARTED)
    yield layout(tmp_path / "plain", [BASE, APP], packed=False, started=STARTED)
    yield archived(tmp_path / "packed", tmp_path / "oci.tar")
    yield docker_archive(tmp_path / "docker.tar", [BASE, APP], started=STARTED)


def test_every_form_comes_to_the_same(tmp_path):
    found = [read_external(str(path)) for path in forms(tmp_path)]
    assert len({image.key for image in found}) == 1
    for image in found:
        assert [layer.diff_id for layer in image.layers] == [digest(BASE), digest(APP)]
        assert image.environ == {"A": "b=c", "PATH": "/x"}
        assert (image.directory, image.entrypoint, image.command) == ("/w", ("/e",), ("c", "d"))
    assert found[0].digest == found[2].digest


def test_layers_keep_their_bytes(tmp_path):
    for number, path in enumerate(forms(tmp_path)):
        unpacked = unpack_external(
            read_external(str(path)), Cache(tmp_path / f"cache{number}"), lambda _line: None
        )
        assert (unpacked.tree / "app").read_bytes() == b"v2"
        assert not (unpacked.tree / "etc").exists()
        written = io.BytesIO()
        unpacked.layers[0].write_tar(written)
        assert written.getvalue() == BASE
        assert unpacked.layers[0].digest == digest(BASE)


def test_of_several_architectures_this_machines_is_taken(tmp_path):
    folder = layout(tmp_path, [tar(("x", b"other"))], architecture="s390x")
    with pytest.raises(TareError, match="only for s390x"):
        read_external(str(folder))
    layout(folder, [BASE])
    assert read_external(str(folder)).layers[0].diff_id == digest(BASE)


def test_of_several_names_one_must_be_chosen(tmp_path):
    folder = layout(tmp_path, [BASE], name="one")
    layout(folder, [APP], name="two")
    with pytest.raises(TareError, match="choose one"):
        read_external(str(folder))
    assert read_external(f"{folder}:two").layers[0].diff_id == digest(APP)
    with pytest.raises(TareError, match="it has one, two"):
        read_external(f"{folder}:three")


def test_other_bytes_than_their_digest_are_refused(tmp_path):
    folder = layout(tmp_path / "l", [BASE])
    image = read_external(str(folder))
    blob = folder / image.layers[0].member
    blob.write_bytes(blob.read_bytes() + b"!")
    with pytest.raises(TareError, match="is damaged: its digest"):
        unpack_external(image, Cache(tmp_path / "cache"), lambda _line: None)
    manifest = folder / "blobs/sha256" / image.digest[7:]
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(TareError, match="is damaged: its digest"):
        read_external(str(folder))


def test_a_blob_that_is_missing(tmp_path):
    folder = layout(tmp_path / "l", [BASE])
    image = read_external(str(folder))
    (folder / image.layers[0].member).unlink()
    with pytest.raises(TareError, match="lacks blobs/sha256"):
        unpack_external(image, Cache(tmp_path / "cache"), lambda _line: None)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 5000, b"PK\x03\x04", b"\x1f\x8bxx", tar(("x", b"1")), tar(("manifest.json", b"[")),
                tar(("index.json", b'{"manifests": 3}'), ("oci-layout", b"")), tar(("manifest.json", b"[{}]"))],
)  # fmt: skip
def test_what_is_no_image_is_told_so(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(TareError):
        read_external(str(tmp_path / "x"))


def test_a_fifo_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(TareError, match="it is a FIFO, a socket or a device"):
        read_external(str(tmp_path / "x"))


def test_what_is_not_there_is_not_pulled():
    with pytest.raises(TareError, match="no such file or folder"):
        read_external("debian:12")


def test_a_digest_that_is_a_path_is_refused(tmp_path):
    folder = layout(tmp_path, [BASE])
    index = json.loads((folder / "index.json").read_text())
    index["manifests"][0]["digest"] = "sha256:../../../etc/passwd"
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(TareError, match="where a digest belongs"):
        read_external(str(folder))


@cases(st.integers(0, 200_000))
def test_a_cut_archive_is_an_error_and_nothing_is_kept(tmp_path_factory, at):
    folder = tmp_path_factory.mktemp("cut")
    whole = archived(layout(folder / "l", [BASE, APP]), folder / "whole.tar").read_bytes()
    (folder / "cut.tar").write_bytes(whole[: at % (len(whole) - 11_000)])
    with pytest.raises(TareError):
        unpack_external(read_external(str(folder / "cut.tar")), Cache(folder / "cache"), lambda _line: None)
    assert not list((folder / "cache").glob("given-trees/*"))


def test_what_is_laid_over_replaces_nothing(tmp_path):
    for name, file in (("lower", "a/x"), ("upper", "a/y"), ("clash", "a/x")):
        (tmp_path / name / "a").mkdir(parents=True)
        (tmp_path / name / file).write_text(name)
    (tmp_path / "lower/a").chmod(0o700)
    (tmp_path / "tree").mkdir()
    (tmp_path / "other").mkdir()
    lay_over(tmp_path / "lower", [tmp_path / "upper"], tmp_path / "tree")
    assert sorted(path.name for path in (tmp_path / "tree/a").iterdir()) == ["x", "y"]
    assert (tmp_path / "tree/a").stat().st_mode & 0o777 == 0o700
    with pytest.raises(TareError, match="has /a/x already"):
        lay_over(tmp_path / "lower", [tmp_path / "clash"], tmp_path / "other")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/a").symlink_to(tmp_path)
    (tmp_path / "third").mkdir()
    with pytest.raises(TareError, match="has /a already"):
        lay_over(tmp_path / "linked", [tmp_path / "upper"], tmp_path / "third")


def unpacked(tmp_path, *members):
    program = shutil.which("true")
    with open(program, "rb") as file:  # noqa: PTH123
        content = file.read()
    started = {"Env": ["PATH=/tools:/bin", "X=y"], "WorkingDir": "/w"}
    folder = layout(
        tmp_path / "l", [tar(("tools/prog", content), ("w/data", b"1"), *members)], started=started
    )
    return unpack_external(read_external(str(folder)), Cache(tmp_path / "cache"), lambda _line: None)


def test_a_command_is_looked_for_in_the_image_only(tmp_path):
    image = unpacked(tmp_path)
    with pytest.raises(TareError, match=r"ls cannot be run in l: it is not on its PATH \(/tools:/bin\)"):
        command_in(image, ["ls"])


def test_a_programs_libraries_must_be_in_the_image(tmp_path):
    with pytest.raises(TareError, match=r"needs libc\.so"):
        command_in(unpacked(tmp_path), ["prog"])


def test_a_script_runs_by_the_images_own_interpreter(tmp_path, monkeypatch):
    converters = f"usr/lib/{arch.current().multiarch}/gconv/gconv-modules"
    image = unpacked(
        tmp_path, ("bin/run", b"#!/usr/bin/env -S prog -x\n"), ("usr/bin/env", b"-"), (converters, b"")
    )
    monkeypatch.setattr("tare.runners.images.overlay.Libraries.closure", lambda *_: type("C", (), {
        "missing": (), "interpreter": "/lib/ld", "directories": ("/lib",)})())  # fmt: skip
    made = command_in(image, ["run", "/w/data", "/w/none", "7"])
    assert made.path == "/tools/prog"
    assert made.arguments == ("-x", f"{ROOT}/bin/run", f"{ROOT}/w/data", "/w/none", "7")
    assert made.environ["PATH"] == f"{ROOT}/tools:{ROOT}/bin"
    assert made.environ["X"] == "y"
    assert (
        "GCONV_PATH" not in made.environ
    )  # with it, glibc parses a list in the place of its cache: a millisecond
    assert made.directory == "/w"


@pytest.mark.parametrize(
    "started",
    [
        {"Cmd": [1.5]}, {"Cmd": "app"}, {"Entrypoint": [None]}, {"Env": {"A": "b"}}, {"Env": [None]}, {"WorkingDir": ["/"]},
        {"WorkingDir": "/a\0b"}, {"Cmd": ["\ud800"]}, {"Cmd": [[]]},
    ],
)  # fmt: skip
def test_a_configuration_of_other_types_is_refused(tmp_path, started):
    folder = layout(tmp_path, [BASE], started=started)
    with pytest.raises(TareError, match="is not a valid image"):
        read_external(str(folder))


def test_a_document_of_great_depth_is_refused(tmp_path):
    folder = layout(tmp_path, [BASE])
    (folder / "index.json").write_text("[" * 100_000)
    with pytest.raises(TareError, match="nested too deeply"):
        read_external(str(folder))
