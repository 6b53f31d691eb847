"""The import arrows of ARCHITECTURE.md, and what may be loaded while something is measured."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

import pytest

from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("bench", "runners", "results", "reports")

ALLOWED = {
    "results": {"results"},
    "runners": {"runners", "results"},
    "reports": {"reports", "results"},
    "bench": set(PARTS),
}
"""Part → the parts it may import."""

HEAVY = {"numpy", "pandas", "scipy", "matplotlib", "psutil", "rich", "pytest", "jinja2", "ruptures"}

START_UP = (
    "bench/__main__.py",
    "bench/pipeline.py",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "bench/campaign").glob("*.py")),
    "bench/planning/plan.py",
    "bench/analysis/conclusion.py",
    "bench/analysis/calibration.py",
    "results/record.py",
    "results/storage/store.py",
)
"""Loaded while something is measured, together with all that they import at top level, and all of runners."""


class Import(NamedTuple):
    """One import statement's target."""

    module: str
    line: int


def imports(path: Path, *, top_level: bool) -> list[Import]:
    """All modules a file imports; ``top_level``: only those that importing the file loads."""
    found: list[Import] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name.removeprefix("tare."), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join((*package, *([node.module] if node.module else [])))
            module = module.removeprefix("tare.")
            found.append(Import(module, node.lineno))
            # ``from results import store`` names a module too.
            found.extend(Import(f"{module}.{alias.name}", node.lineno) for alias in node.names)
        elif top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        elif top_level and is_type_checking(node):
            for child in node.orelse:
                visit(child)
        else:
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(ast.parse(path.read_text("utf-8"), str(path)))
    return found


def is_type_checking(node: ast.AST) -> TypeGuard[ast.If]:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def modules(part: str) -> list[Path]:
    found = sorted((ROOT / part).rglob("*.py"))
    return [path for path in found if "runs" not in path.relative_to(ROOT).parts]


def file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def loaded_by(start: Path) -> dict[Path, tuple[Path, ...]]:
    """Every file of the project that importing ``start`` loads → the way by which it is loaded."""
    ways = {start: (start,)}
    todo = [start]
    while todo:
        path = todo.pop()
        for module, _ in imports(path, top_level=True):
            parts = module.split(".")
            if parts[0] not in PARTS:
                continue
            # Importing a.b.c runs a/__init__ and a/b/__init__ as well.
            for length in range(1, len(parts) + 1):
                target = file_of(".".join(parts[:length]))
                if target is not None and target not in ways:
                    ways[target] = (*ways[path], target)
                    todo.append(target)
    return ways


@pytest.mark.parametrize("part", PARTS)
def test_imports_go_one_way(part):
    paths = modules(part)
    assert paths
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in paths
        for module, line in imports(path, top_level=False)
        if module.split(".")[0] in PARTS and module.split(".")[0] not in ALLOWED[part]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", PARTS)
def test_no_part_imports_the_tests(part):
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules(part)
        for module, line in imports(path, top_level=False)
        if module.split(".")[0] == "tests"
    ]
    assert not wrong


def heavy_in(path: Path) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for module, line in imports(path, top_level=True)
        if module.split(".")[0] in HEAVY
    ]


def test_runners_load_nothing_heavy():
    wrong = [text for path in modules("runners") for text in heavy_in(path)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", START_UP)
def test_start_up_loads_nothing_heavy(name):
    wrong = [
        f"{text}, loaded by way of {' → '.join(str(p.relative_to(ROOT)) for p in way)}"
        for path, way in loaded_by(ROOT / name).items()
        for text in heavy_in(path)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_reader_of_imports_sees_them(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "results").mkdir()
    path = tmp_path / "results" / "x.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import numpy\nelse:\n    import rich\n"
        "try:\n    import scipy.stats\nexcept ImportError:\n    pass\n"
        "def f():\n    import pandas\n"
        "class C:\n    from . import record\n"
    )
    assert {m for m, _ in imports(path, top_level=True)} == {
        "typing", "typing.TYPE_CHECKING", "rich", "scipy.stats", "results", "results.record",
    }  # fmt: skip
    assert {"numpy", "pandas"} <= {m for m, _ in imports(path, top_level=False)}
