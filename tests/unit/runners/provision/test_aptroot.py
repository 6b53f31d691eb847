"""The private root on a host whose apt is a script: what is asked of it, and what is said when it fails."""

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.stub import Stub
from tare.runners.errors import Missing, TareError
from tare.runners.provision import aptroot
from tare.runners.provision.aptroot import Packages, fetch, parse_uris
from tare.runners.provision.cache import Cache

APT_GET = r"""#!/bin/sh
echo "apt-get $*" >>"$FAKE/log"
state=$(sed -n 's/^Dir::State "\(.*\)";$/\1/p' "$APT_CONFIG")
case "$*" in
update*)
    [ -e "$FAKE/stuck" ] && exec sleep 60
    [ -e "$FAKE/offline" ] && { echo "W: Failed to fetch http://mirror/x  Could not resolve 'mirror'" >&2; exit 0; }
    [ -e "$FAKE/full-index" ] && { echo "E: write (28: No space left on device)" >&2; exit 100; }
    [ -e "$FAKE/stalls" ] && exec sleep 60
    : >"$state/lists/mirror_Packages" ;;
*--print-uris*absent*) echo "E: Unable to locate package absent" >&2; exit 100 ;;
*--print-uris*)
    echo "'http://mirror/tool_2.deb' tool_1%3a2-3_amd64.deb 1000 SHA256:00"
    echo "'http://mirror/libc6_2.deb' libc6_2.36_amd64.deb 2000 SHA256:00"
    echo "'http://mirror/perl.deb' perl-base_5_amd64.deb 4000 SHA256:00" ;;
*download*)
    [ -e "$FAKE/gone" ] && { echo "E: Failed to fetch http://mirror/tool_2.deb  404  Not Found" >&2; exit 100; }
    [ -e "$FAKE/full" ] && { echo "E: write (28: No space left on device)" >&2; exit 100; }
    for each in "$@"; do case "$each" in *=*) echo "$each" >"${each%%=*}.deb" ;; esac; done ;;
esac
"""

DPKG_DEB = r"""#!/bin/sh
mkdir -p "$FAKE/tar/usr/bin" && cp "$2" "$FAKE/tar/usr/bin/$(basename "$2" .deb)"
[ -e "$FAKE/broken" ] && { head -c 700 /dev/zero | tr '\0' x; exit 2; }
tar -C "$FAKE/tar" -c .
"""

APT_CONFIG = r"""#!/bin/sh
echo 'APT::Architecture "amd64";'
echo 'Acquire::http::Proxy "http://proxy:3128";'
echo 'APT::Update::Post-Invoke:: "rm -rf /var/cache/apt";'
echo 'Dir::State "/var/lib/apt";'
"""


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "fake"
    (folder / "bin").mkdir(parents=True)
    for name, text in (("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB), ("apt-config", APT_CONFIG)):
        path = folder / "bin" / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("FAKE", str(folder))
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
    return folder


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "cache")


def log(fake: Path) -> list[str]:
    return (fake / "log").read_text().splitlines() if (fake / "log").exists() else []


def test_fetched_once_then_found_without_apt(fake, cache):
    entry = fetch(Packages(("tool",)), cache)
    assert (entry.path / "usr/bin/tool").read_text() == "tool=1:2-3\n"
    assert (entry.path / "lib").is_symlink()
    assert entry.facts["packages"] == {"tool": "1:2-3", "libc6": "2.36"}
    assert entry.facts["hashes"]["tool.deb"] == hashlib.sha256(b"tool=1:2-3\n").hexdigest()
    asked = len(log(fake))
    again = fetch(Packages(("tool",)), Cache(cache.folder))
    assert again.path == entry.path
    assert len(log(fake)) == asked
    assert fetch(Packages(("tool",)), Cache(cache.folder), offline=True).path == entry.path


def test_packages_that_only_scripts_need_stay_away_unless_asked_for(fake, cache):
    assert "perl-base" not in fetch(Packages(("tool",)), cache).facts["packages"]
    assert "perl-base" in fetch(Packages(("perl-base",)), cache).facts["packages"]


def test_only_the_packages_that_match(fake, cache):
    assert list(fetch(Packages(("tool",), "libc.*"), cache).facts["packages"]) == ["libc6"]


def test_the_first_alternative_that_the_archive_has(fake, cache):
    fetch(Packages(("absent|tool",)), cache)
    assert [line for line in log(fake) if "absent" in line] == ["apt-get install --print-uris -qq -y absent"]
    assert "apt-get install --print-uris -qq -y tool" in log(fake)


def test_the_hosts_hooks_do_not_run_and_its_proxy_is_used(fake, cache):
    fetch(Packages(("tool",)), cache)
    text = (cache.folder / "apt-state/apt.conf").read_text()
    assert "Post-Invoke" not in text
    assert "http://proxy:3128" in text
    assert text.count("Dir::State ") == 1
    assert 'APT::Sandbox::User "root";' in text
    assert (cache.folder / "apt-state/status").read_bytes() == b""


def test_offline_says_what_to_do(fake, cache):
    with pytest.raises(Missing) as caught:
        fetch(Packages(("tool",)), cache, offline=True)
    assert "--offline" in caught.value.reason
    assert caught.value.remedy
    assert log(fake) == []


def test_no_network(fake, cache):
    (fake / "offline").touch()
    with pytest.raises(Missing) as caught:
        fetch(Packages(("tool",)), cache)
    assert "Could not resolve 'mirror'" in caught.value.reason
    assert "mirror" in caught.value.remedy


def test_unknown_package(fake, cache):
    with pytest.raises(Missing, match="absent"):
        fetch(Packages(("absent",)), cache)


def test_no_apt_on_this_host(cache, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Missing) as caught:
        fetch(Packages(("tool|other",)), cache)
    assert "apt-get is not on this host" in caught.value.reason
    assert caught.value.remedy.endswith("tool")


def test_a_mirror_that_moved_on_makes_the_next_try_refresh(fake, cache):
    (fake / "gone").touch()
    with pytest.raises(Missing, match="404"):
        fetch(Packages(("tool",)), cache)
    (fake / "gone").unlink()
    fetch(Packages(("tool",)), cache)
    assert log(fake).count("apt-get update") == 2


def test_indexes_are_kept_for_the_next_root(fake, cache):
    fetch(Packages(("tool",)), cache)
    fetch(Packages(("libc6",)), cache)
    assert log(fake).count("apt-get update") == 1


def test_disk_full_while_fetching(fake, cache):
    (fake / "full").touch()
    with pytest.raises(TareError, match="no room left"):
        fetch(Packages(("tool",)), cache)
    assert not list((cache.folder / "apt").iterdir())


def test_too_little_room_is_told_before_fetching(fake, cache, monkeypatch):
    def disk_usage(path):
        return SimpleNamespace(free=1 << 30 if path.name == "apt-state" else 100)

    monkeypatch.setattr("shutil.disk_usage", disk_usage)
    with pytest.raises(TareError, match="MiB free"):
        fetch(Packages(("tool",)), cache)
    assert not any("download" in line for line in log(fake))


def test_indexes_that_fill_the_disk_are_said(fake, cache):
    (fake / "full-index").touch()
    with pytest.raises(TareError, match=rf"{cache.folder} has no room left"):
        fetch(Packages(("tool",)), cache)


def test_too_little_room_for_indexes_is_told_before_fetching(fake, cache, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _path: Stub(free=100 << 20))
    with pytest.raises(TareError, match=r"apt-state has 100 MiB free, and the package indexes take 300 MiB"):
        fetch(Packages(("tool",)), cache)
    assert not (fake / "log").exists()


def test_an_update_that_stalls_is_ended(fake, cache, monkeypatch):
    (fake / "stalls").touch()
    monkeypatch.setattr(aptroot, "INDEX_FETCH_SECONDS", 0.2)
    with pytest.raises(Missing, match=r"apt-get update did not end in 0 s") as raised:
        fetch(Packages(("tool",)), cache)
    assert "mirror answers" in raised.value.remedy


def test_a_broken_package_leaves_nothing(fake, cache):
    (fake / "broken").touch()
    with pytest.raises(TareError, match="is broken"):
        fetch(Packages(("tool",)), cache)
    assert not list((cache.folder / "apt").iterdir())


def test_a_damaged_root_is_fetched_again(fake, cache):
    entry = fetch(Packages(("tool",)), cache)
    (entry.path / "usr/bin/tool").write_text("half")
    again = fetch(Packages(("tool",)), Cache(cache.folder))
    assert (again.path / "usr/bin/tool").read_text() == "tool=1:2-3\n"


def test_facts_are_plain_json(fake, cache):
    assert json.loads(json.dumps(fetch(Packages(("tool",)), cache).facts))["asked"] == ["tool"]


@given(st.text())
def test_any_text_is_parsed_to_something(text):
    assert isinstance(parse_uris(text), list)


def test_uris():
    (found,) = parse_uris("Reading...\n'http://x/y' name_1%3a2%2b3_all.deb 17 MD5Sum:0\n")
    assert (found.package, found.version, found.architecture, found.size_bytes) == (
        "name",
        "1:2+3",
        "all",
        17,
    )


def test_an_update_that_waits_for_room_is_ended(fake, cache, monkeypatch):
    (fake / "stuck").touch()
    free = iter((1 << 40, 1 << 40))
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=next(free, 0)))
    with pytest.raises(TareError, match="no room left"):
        fetch(Packages(("tool",)), cache)
