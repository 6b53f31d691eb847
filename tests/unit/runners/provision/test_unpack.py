"""Unpacking keeps the merged /usr, drops rights and documentation, and cannot leave the root."""

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.runners.errors import TareError
from tare.runners.provision.unpack import extract, merged, prepare_root, unpack_source


def archive(*members: tuple[str, bytes, bytes, int]) -> io.BytesIO:
    """Members as (name, type, content or link, mode)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, content, mode in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.uid = kind, mode, 12345
            if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
                member.linkname = content.decode()
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    buffer.seek(0)
    return buffer


def unpacked(root: Path, *members) -> Path:
    prepare_root(root)
    with tarfile.open(fileobj=archive(*members), mode="r|") as tar:
        extract(tar, root)
    return root


FILE, FOLDER, LINK, HARD, DEVICE = (
    tarfile.REGTYPE,
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
)


def test_lib_stays_a_link_into_usr(tmp_path):
    root = unpacked(tmp_path, ("./lib/", FOLDER, b"", 0o755), ("./lib/x.so", FILE, b"so", 0o644))
    assert (root / "lib").is_symlink()
    assert (root / "usr/lib/x.so").read_bytes() == b"so"


def test_documentation_is_left_out(tmp_path):
    root = unpacked(
        tmp_path, ("./usr/share/doc/x/y", FILE, b"", 0o644), ("./usr/share/qemu/y", FILE, b"", 0o644)
    )
    assert not (root / "usr/share/doc").exists()
    assert (root / "usr/share/qemu/y").exists()


def test_rights_are_normal(tmp_path):
    root = unpacked(tmp_path, ("./usr/bin/su", FILE, b"", 0o4755), ("./boot/vmlinuz", FILE, b"", 0o600))
    assert stat.S_IMODE((root / "usr/bin/su").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "boot/vmlinuz").stat().st_mode) == 0o644
    assert (root / "usr/bin/su").stat().st_uid == os.getuid()


def test_links_devices_and_what_replaces_them(tmp_path):
    root = unpacked(
        tmp_path,
        ("./usr/lib/a.so.1", FILE, b"1", 0o644),
        ("./usr/lib/a.so", LINK, b"a.so.1", 0o777),
        ("./lib/b.so", HARD, b"./lib/a.so.1", 0o644),
        ("./dev/null", DEVICE, b"", 0o666),
        ("./usr/lib/a.so", FILE, b"2", 0o644),
    )
    assert (root / "usr/lib/a.so").read_bytes() == b"2"
    assert (root / "usr/lib/a.so.1").read_bytes() == b"1"
    assert (root / "usr/lib/b.so").read_bytes() == b"1"
    assert not (root / "dev/null").exists()


def test_nothing_is_written_above_the_root(tmp_path):
    unpacked(tmp_path / "root", ("./../evil", FILE, b"", 0o644), ("/absolute", FILE, b"", 0o644))
    assert not (tmp_path / "evil").exists()
    assert (tmp_path / "root/absolute").exists()


def test_links_lead_nowhere_but_into_the_root(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    root = unpacked(
        tmp_path / "root",
        ("./usr/share/x", LINK, str(outside).encode(), 0o777),
        ("./usr/share/x/file", FILE, b"", 0o644),
        ("./usr/share/up", LINK, b"../../../../..", 0o777),
        ("./usr/share/up/file", FILE, b"", 0o644),
    )
    assert list(outside.iterdir()) == []
    assert (root / "file").exists()
    assert Path(f"{root}{outside}/file").exists()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("./lib/x", "usr/lib/x"),
        ("/lib64/ld.so", "usr/lib64/ld.so"),
        ("usr/lib/x", "usr/lib/x"),
        ("etc/lib/x", "etc/lib/x"),
        ("./", ""),
        ("library/x", "library/x"),
    ],
)
def test_merged(path, expected):
    assert merged(path) == expected


@given(st.lists(st.sampled_from(["lib", "bin", "usr", "x", "."]), max_size=5).map("/".join))
def test_merged_is_stable(path):
    assert merged(merged(path)) == merged(path)


def test_an_upstream_archive_loses_its_top_folder(tmp_path):
    (tmp_path / "in/kubernetes-1.20/cmd").mkdir(parents=True)
    (tmp_path / "in/kubernetes-1.20/cmd/main.go").write_text("package main")
    (tmp_path / "in/kubernetes-1.20/link").symlink_to("cmd/main.go")
    with tarfile.open(tmp_path / "source.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "in/kubernetes-1.20", "kubernetes-1.20")
    unpack_source(tmp_path / "source.tar.gz", tmp_path / "out")
    assert (tmp_path / "out/link").read_text() == "package main"


def source(tmp_path, *members):
    (tmp_path / "source.tar").write_bytes(archive(*members).getvalue())
    unpack_source(tmp_path / "source.tar", tmp_path / "out")
    return tmp_path / "out"


def test_a_sources_rights_and_owners_are_dropped(tmp_path):
    out = source(
        tmp_path,
        ("top/", FOLDER, b"", 0o777),
        ("top/tool", FILE, b"x", 0o6755),
        ("top/data", FILE, b"y", 0o666),
        ("top/same", HARD, b"top/data", 0o644),
    )
    assert sorted(path.name for path in out.iterdir()) == ["data", "same", "tool"]
    assert [stat.S_IMODE((out / name).stat().st_mode) for name in ("tool", "data")] == [0o755, 0o644]
    assert (out / "same").read_bytes() == b"y"
    assert (out / "tool").stat().st_uid == os.getuid()


@pytest.mark.parametrize(
    "members",
    [
        [("/top/evil", FILE, b"x", 0o644)],
        [("top/../../evil", FILE, b"x", 0o644)],
        [("top/a/../../../evil", FILE, b"x", 0o644)],
        [("top/link", LINK, b"/etc/passwd", 0o777)],
        [("top/link", LINK, b"../evil", 0o777)],
        [
            ("top/a/deep", FOLDER, b"", 0o755),
            ("top/a/deep/up", LINK, b"../..", 0o777),
            ("top/out", LINK, b"a/deep/up/../..", 0o777),
        ],
    ],
)
def test_a_source_that_leads_out_of_itself_is_refused(tmp_path, members):
    (tmp_path / "evil").write_text("as it was")
    with pytest.raises(TareError, match="has a member"):
        source(tmp_path, *members)
    assert (tmp_path / "evil").read_text() == "as it was"


def test_nothing_is_written_through_a_sources_links(tmp_path):
    (tmp_path / "secret").write_text("as it was")
    with pytest.raises(TareError, match="has a member"):
        source(tmp_path, ("top/dir", LINK, b"../..", 0o777), ("top/dir/secret", FILE, b"new", 0o644))
    assert (tmp_path / "secret").read_text() == "as it was"


def test_a_damaged_source_is_told(tmp_path):
    (tmp_path / "source.tar").write_bytes(archive(("top/x", FILE, bytes(5000), 0o644)).getvalue()[:3000])
    with pytest.raises(TareError, match=r"source\.tar is damaged"):
        unpack_source(tmp_path / "source.tar", tmp_path / "out")


def test_an_absolute_name_below_a_sources_top_is_below_the_folder(tmp_path):
    assert (source(tmp_path, ("top//etc/x", FILE, b"", 0o644)) / "etc/x").read_bytes() == b""
