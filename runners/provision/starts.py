"""Start programs that were fetched: by their own loader, or by themselves with the libraries that the host lacks."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tare.results.said import say
from tare.runners.errors import Missing
from tare.runners.provision import arch
from tare.runners.provision.libraries import Closure, Libraries, fetched_closure
from tare.runners.provision.loader import loader_argv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.provision.cache import Cache, Entry

_VALGRIND_TOOLS = ("usr/libexec/valgrind", "usr/lib/*/valgrind", "usr/lib/valgrind")

_FIRMWARE = ("usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu", "usr/share/qemu-efi-aarch64")


class Start(msgspec.Struct, frozen=True):
    """The way in which a tool is started, besides its path."""

    prefix: tuple[str, ...] = ()
    """Loader, with its options."""
    suffix: tuple[str, ...] = ()
    """Options that the tool always has."""
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)


AS_IT_IS = Start()
"""The way of programs that this host can start as they are."""


def start_of(store: Cache, name: str, path: Path, fetched: Entry, *, by_itself: bool) -> Start:
    """Find out how a fetched program is started.

    Args:
        store: the cache.
        name: the program's name.
        path: its file.
        fetched: the entry that it is in.
        by_itself: it starts others of its package, so it is not started by its loader.

    Raises:
        Missing: its packages lack a library.
    """
    if not by_itself:
        return _by_loader(
            name, fetched.path, fetched_closure(store, fetched, f"/{path.relative_to(fetched.path)}")
        )
    environ = {"LD_LIBRARY_PATH": str(_lacking(store, path, fetched.path))}
    # Valgrind's tools are in a folder that its launcher has the path of.
    tools = (str(found) for glob in _VALGRIND_TOOLS for found in fetched.path.glob(glob))
    environ |= {"VALGRIND_LIB": next(tools, "")} if name == "valgrind.bin" else {}
    return Start(environ=environ)


def _lacking(store: Cache, path: Path, root: Path) -> Path:
    """Make a folder with those libraries of a fetched program that this host lacks."""
    here = Libraries(Path("/"))
    closure = Libraries(root).closure(f"/{path.relative_to(root)}")
    lacking = [library for library in closure.libraries if not here.find(Path(library).name)]

    def copy(folder: Path) -> dict[str, list[str]]:
        for library in lacking:
            shutil.copy(root / library.lstrip("/"), folder)
        return {"libraries": lacking}

    return store.entry("libraries", f"{root} {sorted(lacking)}", copy).path


def install_by_hand(name: str) -> str:
    """Give the remedy for a program of which what was fetched is incomplete."""
    return say("remedy.install_by_hand", "Install {name} by hand.", name=name)


def _by_loader(name: str, root: Path, closure: Closure) -> Start:
    """Start a fetched program by its own loader.

    Raises:
        Missing: its packages lack a library.
    """
    if not closure.interpreter:
        return AS_IT_IS
    if closure.missing:
        raise Missing(
            say(
                "fetch.incomplete",
                "{name} was fetched without {names}.",
                name=name,
                names=", ".join(closure.missing),
            ),
            install_by_hand(name),
        )
    prefix = loader_argv(str(root), closure.interpreter, closure.directories)
    if not name.startswith("qemu-system-"):
        return Start(prefix)
    firmware = [
        argument for each in _FIRMWARE if (root / each).is_dir() for argument in ("-L", str(root / each))
    ]
    # QEMU looks for its modules beside /proc/self/exe, which is the loader here.
    modules = root / "usr/lib" / arch.current().multiarch / "qemu"
    return Start(prefix, tuple(firmware), {"QEMU_MODULE_DIR": str(modules)} if modules.is_dir() else {})
