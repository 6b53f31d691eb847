"""Carry a Python interpreter with its standard library into a layer.

The interpreter itself is asked for its files: distributions, pyenv and venv all lay it out differently.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from tare.results.said import say
from tare.results.scratch import scratch_folder
from tare.runners.errors import TareError
from tare.runners.host.programs import run_quietly
from tare.runners.images.layers import Item, carried_at
from tare.runners.provision.unpack import merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.runners.images.layers import Items

_LEFT_OUT_FOLDERS = frozenset(
    {
        "test",
        "tests",
        "idlelib",
        "tkinter",
        "turtledemo",
        "ensurepip",
        "lib2to3",
        "__pycache__",
        "site-packages",
        "dist-packages",
    }
)
_LEFT_OUT_FILES = re.compile(r".*\.(pyc|pyo|a|exe)|_tkinter.*|turtle\.py")
"""Files left out: compiled ones, and those that would bring a graphical toolkit into the image."""

_QUESTION = """
import json, os, sys, sysconfig
print("TARE" + json.dumps({
    "version": sys.version.split()[0],
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "prefix": sys.base_prefix,
    "exec_prefix": sys.base_exec_prefix,
    "library": [sysconfig.get_path(name, vars={"base": sys.base_prefix, "installed_base": sys.base_prefix,
                "platbase": sys.base_exec_prefix, "installed_platbase": sys.base_exec_prefix})
                for name in ("stdlib", "platstdlib")],
    "path": [os.path.abspath(each) for each in sys.path if each],
    "tag": sys.implementation.cache_tag,
    "implementation": sys.implementation.name,
}))
"""

_COMPILE = """
import json, py_compile, sys
for source, target in json.load(sys.stdin):
    try:
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(source, target, source, doraise=True, invalidation_mode=mode)
    except (py_compile.PyCompileError, SyntaxError, ValueError, RecursionError):
        pass  # some packages ship templates that are not valid Python
"""


class Interpreter(msgspec.Struct, frozen=True):
    """Facts that an interpreter tells about itself."""

    executable: Path
    """The base interpreter, never a virtual environment's."""
    version: str
    prefix: str
    exec_prefix: str
    library: tuple[str, ...]
    """Folders of the standard library."""
    path: tuple[str, ...]
    """``sys.path`` without the script's own folder."""
    cache_tag: str

    @property
    def home(self) -> str:
        """Value of ``PYTHONHOME`` that leads to this library."""
        return self.prefix if self.prefix == self.exec_prefix else f"{self.prefix}:{self.exec_prefix}"


def ask(python: Sequence[str]) -> Interpreter:
    """Ask an interpreter for its facts; ``python`` is the beginning of a command line.

    Raises:
        TareError: it is not CPython, or does not answer.
    """
    try:
        done = run_quietly([*python, "-c", _QUESTION], timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TareError(say(
            "image.python_library", "{python} does not say where its library is: {error}.",
            python=python[0], error=error,
        )) from error  # fmt: skip
    answer = re.search(r"^TARE(\{.*\})$", done.stdout, re.MULTILINE)
    if answer is None:
        raise TareError(say(
            "image.python_library", "{python} does not say where its library is: {error}.",
            python=python[0], error=done.stderr.strip()[-200:] or say("image.no_output", "no output"),
        ))  # fmt: skip
    facts = json.loads(answer[1])
    if facts["implementation"] != "cpython":
        raise TareError(say(
            "image.only_cpython", "{python} is {implementation}; only CPython can be carried into the image.",
            python=python[0], implementation=facts["implementation"],
        ))  # fmt: skip
    return Interpreter(
        executable=Path(facts["executable"]),
        version=facts["version"],
        prefix=facts["prefix"],
        exec_prefix=facts["exec_prefix"],
        library=tuple(dict.fromkeys(facts["library"])),
        path=tuple(dict.fromkeys(facts["path"])),
        cache_tag=facts["tag"],
    )


def add_library(items: Items, python: Interpreter) -> list[Path]:
    """Add the standard library without tests and graphics; return its extension modules, whose libraries are needed."""
    return add_modules(
        items, python, [path for folder in python.library for path in _files(folder, trimmed=True)]
    )


def package_files(folders: Sequence[str]) -> list[Path]:
    """List all files below folders of ``sys.path``, except compiled ones."""
    return [path for folder in folders for path in _files(folder, trimmed=False)]


def add_modules(items: Items, python: Interpreter, files: Sequence[Path]) -> list[Path]:
    """Add files of modules and their compiled forms; return the extension modules among them."""
    extensions: list[Path] = []
    uncompiled: list[Path] = []
    for path in files:
        place = merged(carried_at(str(path)))
        if place in items:
            continue
        try:
            items.file(place, path)
        except OSError:
            # A dangling link: distributions leave some if a part of Python is another package.
            continue
        if path.suffix == ".so" or ".so." in path.name:
            extensions.append(path)
        elif path.suffix == ".py":
            compiled = path.parent / "__pycache__" / f"{path.stem}.{python.cache_tag}.pyc"
            if _fresh(compiled, path):
                items[_cached(path, python)] = Item("pyc", source=compiled)
            else:
                uncompiled.append(path)
    if uncompiled:
        _compile(items, python, uncompiled)
    return extensions


def package_bytes(folders: Sequence[str]) -> int:
    """Add up the sizes of the files that :func:`package_files` lists, which takes a fraction of the time."""
    total = 0
    for folder in folders:
        for path in _paths(folder, trimmed=False):
            with suppress(OSError):  # a dangling link
                total += os.stat(path).st_size  # noqa: PTH116 - tens of thousands of paths, in every run
    return total


def _files(folder: str, *, trimmed: bool) -> Iterator[Path]:
    return map(Path, _paths(folder, trimmed=trimmed))


def _paths(folder: str, *, trimmed: bool) -> Iterator[str]:
    if Path(folder).is_file():
        yield folder  # a zip file on sys.path
        return
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name != "__pycache__"
            and not (trimmed and (name in _LEFT_OUT_FOLDERS or name.startswith("config-")))
        )
        for name in sorted(files):
            if not name.endswith(".pyc") and not (trimmed and _LEFT_OUT_FILES.fullmatch(name)):
                yield f"{top}/{name}"


def _cached(path: Path, python: Interpreter) -> str:
    compiled = PurePosixPath(path.parent, "__pycache__", f"{path.stem}.{python.cache_tag}.pyc")
    return merged(carried_at(str(compiled)))


def _fresh(compiled: Path, source: Path) -> bool:
    """Tell whether a compiled file belongs to the source, by time and size as Python itself does (PEP 552)."""
    try:
        with compiled.open("rb") as file:
            header = file.read(16)
        status = source.stat()
    except OSError:
        return False
    expected = (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    found = (int.from_bytes(header[8:12], "little"), int.from_bytes(header[12:16], "little"))
    return len(header) == 16 and header[4:8] == bytes(4) and found == expected


def _compile(items: Items, python: Interpreter, sources: Sequence[Path]) -> None:
    """Compile sources with the interpreter that will run them, into items with content."""
    with scratch_folder("pyc") as folder:
        pairs = [(str(source), str(Path(folder, f"{number}.pyc"))) for number, source in enumerate(sources)]
        # The order of sets in compiled files depends on the hash seed.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        subprocess.run(
            [python.executable, "-I", "-c", _COMPILE],
            input=json.dumps(pairs),
            env=environ | {"PYTHONHASHSEED": "0"},
            text=True,
            capture_output=True,
            check=False,
        )
        for source, (_name, target) in zip(sources, pairs, strict=True):
            if Path(target).exists():
                items[_cached(source, python)] = Item("file", content=Path(target).read_bytes())
