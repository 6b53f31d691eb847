"""Find the user's own modules that carried code imports: those that no installed package provides."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import site
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import UsageError
from tare.runners.images.imports import imported

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_BYTES = 256 << 20
"""Size of the modules of a user's own that one function may need."""


def own_sources(modules: Iterable[str]) -> dict[str, Path]:
    """List the files of the modules among these that are the user's own, and of those that they import in turn.

    Args:
        modules: names of modules that a script imports.

    Returns:
        Path beside the script → file of the host.

    Raises:
        UsageError: one is in no file, or they are too large.
    """
    found: dict[str, Path] = {}
    done: set[str] = set()
    pending = {name.partition(".")[0] for name in modules}
    while pending:
        name = pending.pop()
        done.add(name)
        if not is_own(name):
            continue
        for path, file in _files(name):
            found[path] = file
            if file.suffix == ".py":
                pending |= imported(file.read_text("utf-8", "replace")) - done
    if sum(file.stat().st_size for file in found.values()) > MOST_BYTES:
        raise UsageError(say(
            "own.large_modules", "it imports modules of more than {most_bytes} MiB that are not installed: move what is measured "
            "into a smaller package, or install it.",
            most_bytes=MOST_BYTES >> 20,
        ))  # fmt: skip
    return found


def is_own(name: str) -> bool:
    """Tell whether a top-level module is there, and neither of the standard library nor of an installed package."""
    if name in sys.stdlib_module_names or name == "__main__":
        return False
    spec = _spec(name)
    if spec is None or spec.origin in {"built-in", "frozen"}:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return bool(places) and not any(
        Path(place).resolve().is_relative_to(folder) for place in places for folder in _installed()
    )


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """Find a module without running it; one that is imported already need not be on the path any more."""
    loaded = getattr(sys.modules.get(name), "__spec__", None)
    if isinstance(loaded, importlib.machinery.ModuleSpec):
        return loaded
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _files(name: str) -> Iterator[tuple[str, Path]]:
    """List the files of a top-level module, each with its path beside the script."""
    spec = _spec(name)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    origin = Path(spec.origin) if spec and spec.origin else None
    if not folders and (origin is None or not origin.is_file()):
        raise UsageError(say(
            "own.no_module_file", "it imports {name}, which is in no file of its own: install it, or unpack it.",
            name=name,
        ))  # fmt: skip
    if not folders and origin:
        yield (f"{name}.py" if origin.suffix == ".py" else origin.name), origin
    for folder in folders:
        for file in sorted(Path(folder).rglob("*")):
            parts = file.relative_to(folder).parts
            if file.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in parts):
                yield "/".join((name, *parts)), file


@functools.cache
def _installed() -> tuple[Path, ...]:
    """List the folders of the standard library and of installed packages."""
    paths = sysconfig.get_paths()
    named = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    named |= {*site.getsitepackages(), site.getusersitepackages()}
    return tuple(Path(path).resolve() for path in sorted(named))
