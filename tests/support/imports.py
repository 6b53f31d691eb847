"""Read the project's import statements: which module imports which, at top level, lazily or for types."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("results", "reports", "runners", "bench")


class Import(NamedTuple):
    """One import of a module of the project."""

    importer: str
    imported: str
    line: int


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
    return ast.parse(modules()[module].read_text("utf-8"))


def resolve(name: str) -> str | None:
    """Name the project's module that ``tare.X`` is; ``None`` if it is none."""
    bare = name.removeprefix("tare.")
    return bare if name != bare and bare in modules() else None


def named_by(node: ast.stmt) -> list[str]:
    """List the dotted names that an import statement names, each alias of a ``from`` as a candidate of its own."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        source = node.module or ""
        return [
            f"{source}.{alias.name}" if resolve(f"{source}.{alias.name}") else source for alias in node.names
        ]
    return []


@cache
def imports() -> tuple[Import, ...]:
    """List every import between modules of the project, ``TYPE_CHECKING`` and lazy ones included."""
    found = []
    for module in modules():
        for node in ast.walk(tree(module)):
            for name in named_by(node) if isinstance(node, ast.stmt) else ():
                target = resolve(name)
                if target and target != module:
                    found.append(Import(module, target, node.lineno))
    return tuple(dict.fromkeys(found))


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
