"""System first, if it works; then the fetched one; else a reason and a remedy."""

import shutil
import stat
from pathlib import Path

import pytest

from tare.runners.errors import Missing
from tare.runners.provision import tools
from tare.runners.provision.cache import Entry
from tare.runners.provision.loader import loader_argv
from tare.runners.provision.starts import AS_IT_IS
from tare.runners.provision.tools import Provision

TRUE = Path(shutil.which("true") or "/bin/true")
FALSE = Path(shutil.which("false") or "/bin/false")


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    """The only folder that programs are looked for in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(tools, "_SYSTEM_FOLDERS", ())
    return folder


@pytest.fixture
def provision(tmp_path, monkeypatch) -> Provision:
    """With an archive whose fio is ``true``."""
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    shutil.copy(TRUE, root / "usr/bin/fio")

    def fetch(packages, _store, *, offline):
        if offline:
            raise Missing("not in the cache", "run once without --offline")
        return Entry(root, {"packages": {"fio": "3.33"}})

    monkeypatch.setattr(tools, "fetch", fetch)
    monkeypatch.setattr(tools, "start_of", lambda *_, by_itself: AS_IT_IS)
    return Provision(tmp_path / "cache")


def test_the_systems_own_is_taken(path, provision):
    shutil.copy(TRUE, path / "fio")
    tool = provision.tool("fio")
    assert (tool.origin, tool.path, tool.root) == ("system", path / "fio", Path("/"))
    assert tool.argv("--x") == (str(path / "fio"), "--x")


def test_one_that_fails_is_passed_over_aloud(path, provision):
    said = []
    provision.progress = said.append
    shutil.copy(FALSE, path / "fio")
    assert provision.tool("fio").origin == "fetched"
    assert "does not work" in said[0]


def test_a_wrapper_script_is_passed_over(path, provision):
    (path / "fio").write_text("#!/bin/sh\nexit 0\n")
    (path / "fio").chmod(0o755)
    assert provision.tool("fio").origin == "fetched"


def test_the_fetched_one_says_its_package(path, provision):
    tool = provision.tool("fio")
    assert tool.package == "fio 3.33"
    assert tool.version


def test_offline_and_absent(path, provision):
    provision.offline = True
    with pytest.raises(Missing, match="--offline"):
        provision.tool("fio")
    assert provision.find("fio") is None
    assert provision.here("fio") is None


def test_here_does_not_fetch(path, provision):
    assert provision.here("fio") is None
    assert provision.tool("fio").origin == "fetched"
    assert provision.here("fio") is not None


def test_given_is_used_or_refused(path, provision):
    with pytest.raises(Missing, match="no such program"):
        provision.tool("fio", "/nonexistent/fio")
    with pytest.raises(Missing, match="does not work"):
        provision.tool("fio", str(FALSE))
    assert provision.tool("fio", str(TRUE)).origin == "given"


def test_unknown_names(provision):
    with pytest.raises(Missing, match="no recipe"):
        provision.tool("quake")


def test_python_is_whole_and_no_shim(provision):
    tool = provision.tool("python3")
    assert tool.version.startswith("Python 3.")
    assert tool.path.resolve().read_bytes()[:4] == b"\x7fELF"


def test_a_python_without_library_is_refused(provision):
    with pytest.raises(Missing, match="no complete Python"):
        provision.tool("python3", str(TRUE))


@pytest.mark.parametrize(
    ("root", "interpreter", "expected"),
    [
        ("/", "/lib64/ld.so", ("/lib64/ld.so", "--inhibit-cache", "--library-path", "/a:/b")),
        ("/t/", "/lib64/ld.so", ("/t/lib64/ld.so", "--inhibit-cache", "--library-path", "/t/a:/t/b")),
        ("/t", "/lib/ld-musl-x86_64.so.1", ("/t/lib/ld-musl-x86_64.so.1", "--library-path", "/t/a:/t/b")),
    ],
)
def test_loader_lines(root, interpreter, expected):
    assert loader_argv(root, interpreter, ("/a", "/b")) == expected


def test_busybox_must_be_static(path, provision, monkeypatch):
    shutil.copy(TRUE, path / "busybox")
    assert stat.S_ISREG((path / "busybox").stat().st_mode)
    with pytest.raises(Missing):
        provision.tool("busybox")
