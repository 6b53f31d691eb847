"""Closures over hand-made ELF files: search order, links, alternatives, what is missing."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.elf_making import elf
from tare.runners.provision import libraries
from tare.runners.provision.cache import Cache, Entry
from tare.runners.provision.libraries import Libraries, fetched_closure


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    (tmp_path / "usr/lib64").mkdir()
    (tmp_path / "usr/bin").mkdir()
    for name in ("lib", "lib64", "bin"):
        (tmp_path / name).symlink_to(f"usr/{name}")
    return tmp_path


MULTIARCH = "/usr/lib/x86_64-linux-gnu"
LOADER = "/lib64/ld-linux-x86-64.so.2"


def put(root: Path, path: str, content: bytes) -> None:
    (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    (root / path.lstrip("/")).write_bytes(content)


def closure(root: Path, program="/usr/bin/p", **options):
    return Libraries(root, "x86_64").closure(program, **options)


def test_transitive_through_the_usual_directories(root):
    put(root, f"{MULTIARCH}/ld-linux-x86-64.so.2", elf())
    (root / "usr/lib64/ld-linux-x86-64.so.2").symlink_to("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    put(root, "/usr/bin/p", elf(["liba.so"], interpreter=LOADER))
    put(root, f"{MULTIARCH}/liba.so", elf(["libb.so", "liba.so"]))
    put(root, "/usr/lib64/libb.so", elf(["liba.so"]))
    found = closure(root)
    assert found.interpreter == f"{MULTIARCH}/ld-linux-x86-64.so.2"
    assert found.libraries == (f"{MULTIARCH}/liba.so", "/usr/lib64/libb.so")
    assert found.missing == ()


def test_static_programs_have_none(root):
    put(root, "/usr/bin/p", elf())
    assert closure(root).interpreter == ""
    assert closure(root).libraries == ()


def test_missing_is_told_once(root):
    put(root, "/usr/bin/p", elf(["nowhere.so", "nowhere.so"], interpreter=LOADER))
    assert closure(root).missing == ("nowhere.so",)


@pytest.mark.parametrize("kind", ["runpath", "rpath"])
@pytest.mark.parametrize("origin", ["$ORIGIN/../lib/own", "${ORIGIN}/../lib/own", "/usr/lib/own"])
def test_own_directories_come_first(root, kind, origin):
    own: Any = {kind: f"/nonexistent:{origin}"}
    put(root, "/usr/bin/p", elf(["liba.so"], interpreter=LOADER, **own))
    put(root, "/usr/lib/own/liba.so", elf(["libc2.so"]))
    put(root, "/usr/lib/own/libc2.so", elf())
    put(root, f"{MULTIARCH}/liba.so", elf())
    assert closure(root).libraries == ("/usr/lib/own/liba.so", "/usr/lib/own/libc2.so")


def test_configured_directories(root):
    put(root, "/etc/ld.so.conf", b"include /etc/ld.so.conf.d/*.conf\n")
    put(root, "/etc/ld.so.conf.d/own.conf", b"# a comment\n/opt/own  # and another\n")
    put(root, "/usr/bin/p", elf(["liba.so"], interpreter=LOADER))
    put(root, "/opt/own/liba.so", elf())
    assert closure(root).libraries == ("/opt/own/liba.so",)


def test_a_configuration_that_includes_itself_ends(root):
    put(root, "/etc/ld.so.conf", b"include ld.so.conf\n/opt/own\n")
    put(root, "/usr/bin/p", elf(["liba.so"], interpreter=LOADER))
    put(root, "/opt/own/liba.so", elf())
    assert closure(root).libraries == ("/opt/own/liba.so",)


def test_other_machines_libraries_are_passed_over(root):
    put(root, "/usr/bin/p", elf(["liba.so"], interpreter=LOADER))
    put(root, f"{MULTIARCH}/liba.so", elf(machine=183))
    put(root, "/usr/lib64/liba.so", b"no ELF at all")
    put(root, "/usr/lib/liba.so", elf())
    assert closure(root).libraries == ("/usr/lib/liba.so",)


def test_alternatives_whose_link_no_script_made(root):
    put(root, "/usr/bin/p", elf(["libblas.so.3"], interpreter=LOADER))
    put(root, f"{MULTIARCH}/blas/libblas.so.3", elf())
    assert closure(root).libraries == (f"{MULTIARCH}/blas/libblas.so.3",)


def test_extra_files_are_asked_too(root):
    put(root, "/usr/bin/p", elf(interpreter=LOADER))
    put(root, "/usr/lib/module.so", elf(["liba.so"], runpath="$ORIGIN/own"))
    put(root, "/usr/lib/own/liba.so", elf())
    assert closure(root, extra=["/usr/lib/module.so"]).libraries == ("/usr/lib/own/liba.so",)


def test_directories_by_how_much_is_in_them(root):
    put(root, "/usr/bin/p", elf(["liba.so", "libb.so", "libz.so"], interpreter=LOADER))
    for path in ("/usr/lib64/libz.so", f"{MULTIARCH}/liba.so", f"{MULTIARCH}/libb.so"):
        put(root, path, elf())
    assert closure(root).directories == (MULTIARCH, "/usr/lib64")


def test_the_closure_of_what_was_fetched_is_found_once_for_each_version(root, tmp_path, monkeypatch):
    put(root, "/usr/bin/p", elf(["liba.so"], interpreter=LOADER))
    put(root, "/usr/lib/liba.so", elf([]))
    store, fetched = Cache(tmp_path / "cache"), Entry(root, {"packages": {"p": "1"}})
    monkeypatch.setattr(libraries, "Libraries", partial(Libraries, machine="x86_64"))
    found = fetched_closure(store, fetched, "/usr/bin/p")
    assert found == closure(root)
    (root / "usr/lib/liba.so").unlink()
    assert fetched_closure(Cache(tmp_path / "cache"), fetched, "/usr/bin/p") == found
    other = fetched_closure(store, Entry(root, {"packages": {"p": "2"}}), "/usr/bin/p")
    assert other.missing == ("liba.so",)
