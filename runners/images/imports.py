"""Find the installed packages that a Python command needs, from its source and the packages' metadata.

Only the interpreter's own metadata library is run. Imports by a computed name, and plug-ins, are not seen;
:mod:`tare.runners.images.command` says so if it leaves packages out.
"""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WITH_VALUE = frozenset("WX")
"""Options of the interpreter that take the next argument, if nothing is attached."""

_QUESTION = """
import importlib.metadata as metadata, importlib.util, json, os, re, sys
wanted = json.load(sys.stdin)
def plain(name): return re.sub(r"[-_.]+", "-", name).lower()
by_module = metadata.packages_distributions()
pending, folders = [], []
for name in wanted:
    found = by_module.get(name)
    if found: pending += [plain(each) for each in found]; continue
    try: spec = importlib.util.find_spec(name)
    except (ImportError, ValueError): continue
    if spec is None: continue
    if spec.submodule_search_locations: folders += [os.path.abspath(each) for each in spec.submodule_search_locations]
    elif spec.origin: folders.append(os.path.abspath(spec.origin))
done, files = {}, []
while pending:
    name = pending.pop()
    if name in done: continue
    try: distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError: continue
    done[name] = distribution.version
    files += [os.path.abspath(str(distribution.locate_file(each))) for each in distribution.files or ()]
    for requirement in distribution.requires or ():
        text, _, marker = requirement.partition(";")
        if "extra" not in marker: pending.append(plain(re.match(r"[\\w.-]+", text.strip())[0]))
print("TARE" + json.dumps({"files": files, "folders": folders, "distributions": done}))
"""


def source_of(arguments: Sequence[str]) -> tuple[str, Path | None]:
    """Find the code that a Python command line runs, and the folder of its script.

    ``-m NAME`` becomes an import. A REPL, or code from standard input, has no code here.
    """
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument.startswith("-") and argument[1:2] not in {"", "-"}:
            for position, letter in enumerate(argument[1:], 1):
                value = argument[position + 1 :] or (rest[0] if rest else "")
                if letter == "c":
                    return value, None
                if letter == "m":
                    return f"import {value}" if value.replace(".", "").isidentifier() else "", None
                if letter in _WITH_VALUE:
                    if not argument[position + 1 :] and rest:
                        rest.pop(0)
                    break
        elif not argument.startswith("-"):
            path = Path(argument)
            return _read(path), path.resolve().parent
    return "", None


def modules(source: str, folder: Path | None) -> tuple[set[str], list[Path]]:
    """List the top-level names that code imports, and the files of modules beside the script.

    The imports of those modules are followed, too.
    """
    names: set[str] = set()
    local: dict[Path, None] = {}
    pending = [source]
    while pending:
        for name in imported(pending.pop()) - names:
            names.add(name)
            for file in _beside(folder, name):
                if file not in local:
                    local[file] = None
                    if file.suffix == ".py":
                        pending.append(_read(file))
    return names, list(local)


def imported(source: str) -> set[str]:
    """List the top-level names in all import statements of code; none if it is not valid Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def installed(python: Path, names: Iterable[str]) -> tuple[list[Path], list[Path], dict[str, str]]:
    """Ask an interpreter for the installed files of modules.

    Returns:
        Files of the distributions that provide them and of what those require; folders of modules that belong to no
        distribution; name → version of the distributions.

    Raises:
        TareError: the interpreter does not answer.
    """
    done = subprocess.run(
        [python, "-c", _QUESTION],
        input=json.dumps(sorted(names)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    _, mark, answer = done.stdout.rpartition("TARE")
    if done.returncode or not mark:
        raise TareError(say(
            "image.python_modules", "{python} does not say what is installed: {strip}.",
            python=python, strip=done.stderr.strip()[-200:],
        ))  # fmt: skip
    facts = json.loads(answer)
    files = [Path(each) for each in facts["files"]]
    return files, [Path(each) for each in facts["folders"]], dict(facts["distributions"])


def _beside(folder: Path | None, name: str) -> list[Path]:
    if folder is None:
        return []
    if (folder / f"{name}.py").is_file():
        return [folder / f"{name}.py"]
    package = folder / name
    if package.is_dir():
        return sorted(
            path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts
        )
    return sorted(folder.glob(f"{name}.*.so"))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
