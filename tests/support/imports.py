"""Read the project's import statements: which module imports which, at top level, lazily or for types."""

from __future__ import annotations

import ast
from collections import deque
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTS = ("results", "reports", "runners", "bench")


class Named(NamedTuple):
    """A dotted name in an import statement; each alias of a ``from X import`` is a name of its own."""

    name: str
    line: int
    at_import: bool
    """Whether importing the module executes the statement: it is neither in a function nor for types only."""


class Import(NamedTuple):
    """One import of a module of the project."""

    importer: str
    imported: str
    line: int
    at_import: bool
    """See ``Named``."""


@cache
def modules() -> dict[str, Path]:
    """Give every module of the project, ``bench.campaign.loop``, and its file."""
    found = {}
    for part in PARTS:
        for path in sorted((ROOT / part).rglob("*.py")):
            names = path.relative_to(ROOT).with_suffix("").parts
            if names[:2] in {("results", "runs"), ("results", "baselines"), ("reports", "out")}:
                continue
            found[".".join(names[:-1] if names[-1] == "__init__" else names)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    """Parse a module."""
    return parsed(modules()[module])


@cache
def parsed(path: Path) -> ast.Module:
    """Parse a source once for all of the tests that read it."""
    return ast.parse(path.read_text("utf-8"))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the statements below a node, without the many more expressions in them."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield child
            yield from statements(child)


def resolve(name: str) -> str | None:
    """Name the project's module that ``tare.X`` is; ``None`` if it is none."""
    bare = name.removeprefix("tare.")
    return bare if name != bare and bare in modules() else None


def named_in(node: ast.AST, *, at_import: bool = True) -> Iterator[Named]:
    """Find the names that import statements below a node name; a relative import counts as one of ``.``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            source = "" if isinstance(child, ast.Import) else "." * child.level + (child.module or "") + "."
            yield from (Named(source + alias.name, child.lineno, at_import) for alias in child.names)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from named_in(child, at_import=False)
        elif _is_type_checking(child):
            yield from named_in(ast.Module(child.body, []), at_import=False)
            yield from named_in(ast.Module(child.orelse, []), at_import=at_import)
        elif not isinstance(child, ast.expr):
            yield from named_in(child, at_import=at_import)


def _is_type_checking(node: ast.AST) -> TypeGuard[ast.If]:
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Name | ast.Attribute):
        return False
    return ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


@cache
def named(module: str) -> tuple[Named, ...]:
    """List all that a module's import statements name."""
    return tuple(named_in(tree(module)))


@cache
def imports() -> tuple[Import, ...]:
    """List every import between modules of the project, ``TYPE_CHECKING`` and lazy ones included."""
    found = []
    for module in modules():
        for name, line, at_import in named(module):
            # `from tare.results import record` names a module, `from tare.results.record import Trial` does not.
            target = resolve(name) or resolve(name.rpartition(".")[0])
            if target and target != module:
                found.append(Import(module, target, line, at_import))
    return tuple(dict.fromkeys(found))


def loaded_by(start: str) -> dict[str, tuple[str, ...]]:
    """Find every module of the project that importing ``start`` executes → the way by which it is reached."""
    reached: dict[str, list[str]] = {}
    for each in imports():
        if each.at_import:
            reached.setdefault(each.importer, []).append(each.imported)
    ways: dict[str, tuple[str, ...]] = {}
    todo: deque[tuple[str, tuple[str, ...]]] = deque([(start, (start,))])
    while todo:
        module, way = todo.popleft()
        if module in ways:
            continue
        ways[module] = way
        parts = module.split(".")
        # Importing a.b.c executes a and a.b as well.
        packages = [".".join(parts[:length]) for length in range(1, len(parts))]
        todo.extend((each, (*way, each)) for each in (*packages, *reached.get(module, ())))
    return ways


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Find the strongly connected components with more than one member (Tarjan 1972, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []
    for start in sorted(edges):
        if start in index:
            continue
        work = [(start, iter(sorted(edges.get(start, ()))))]
        index[start] = low[start] = len(index)
        stack.append(start)
        while work:
            node, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    component, stack[at:] = stack[at:], []
                    if len(component) > 1:
                        found.append(sorted(component))
            elif following not in index:
                index[following] = low[following] = len(index)
                stack.append(following)
                work.append((following, iter(sorted(edges.get(following, ())))))
            elif following in stack:
                low[node] = min(low[node], index[following])
    return found
