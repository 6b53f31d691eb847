"""Find the metrics that the code makes, by reading its source: name, unit, direction, clock.

What only a run decides (the user's names, a victim and its neighbour) stays a placeholder in the name.
"""

from __future__ import annotations

import ast
import functools
import importlib
import itertools
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tare.bench.workloads.base import PLACE_CLOCK
from tare.runners.collectors.base import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable
    from types import ModuleType

FOLDERS = (
    "bench.campaign",
    "bench.experiments",
    "bench.workloads",
    "runners.collectors",
    "runners.containers",
)
"""Packages of ``tare`` that make metrics; imports of other tools' results take over theirs."""

PARAMETERS = {
    "Metric": ("name", "value", "unit", "direction", "clock", "source"),
    "metric": ("name", "value", "unit", "direction", "source"),
}
"""Callable that makes a metric → names of its positional parameters."""

_LOOPS = (ast.For, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)
_FIELDS = ("name", "unit", "direction", "clock")


@dataclass(frozen=True, slots=True, order=True)
class Declared:
    """Metric as the source declares it."""

    name: str
    unit: str
    direction: str
    clock: str
    module: str
    """Path of the module below the repository's root, to look it up."""


@functools.cache
def declared() -> tuple[Declared, ...]:
    """List all metrics, sorted by name."""
    found: set[Declared] = set()
    for package in FOLDERS:
        for name in _modules(files(f"tare.{package}"), f"tare.{package}"):
            module = importlib.import_module(name)
            found.update(_of_kinds(module))
            found.update(_of_calls(module))
    return tuple(sorted(found))


def _modules(folder: Traversable, package: str) -> Iterator[str]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir() and entry.joinpath("__init__.py").is_file():
            yield from _modules(entry, f"{package}.{entry.name}")
        elif entry.name.endswith(".py") and entry.name != "__init__.py":
            yield f"{package}.{entry.name.removesuffix('.py')}"


def _path(module: ModuleType) -> str:
    return module.__name__.removeprefix("tare.").replace(".", "/") + ".py"


def _of_kinds(module: ModuleType) -> Iterator[Declared]:
    """Give the numbers of a module's collectors, which declare them in ``kinds``."""
    for thing in vars(module).values():
        kinds = getattr(thing, "kinds", None)
        if isinstance(thing, type) and thing.__module__ == module.__name__ and isinstance(kinds, dict):
            for name, kind in kinds.items():
                if isinstance(kind, Kind):
                    yield Declared(name, kind.unit, kind.direction, kind.clock, _path(module))


@dataclass(frozen=True, slots=True)
class _Scope:
    """Know what names stand for in a function."""

    module: ModuleType
    known: Mapping[str, ast.expr | list[str]] = field(default_factory=dict)

    def texts(self, node: ast.expr | None) -> list[str]:  # noqa: PLR0911 - one for each kind of expression
        """Evaluate a text to the values it may have; what only a run decides is ``<name>``."""
        match node:
            case None:
                return [""]
            case ast.Constant(value=str(value)):
                return [value]
            case ast.JoinedStr(values=values):
                return ["".join(parts) for parts in itertools.product(*map(self.texts, values))]
            case ast.FormattedValue(value=value):
                return self.texts(value)
            case ast.IfExp(body=body, orelse=orelse):
                return [" or ".join(dict.fromkeys((*self.texts(body), *self.texts(orelse))))]
            case ast.Name(id=name):
                return self._named(name)
            case ast.Attribute(attr=name):
                return [f"<{name}>"]
            case _:
                return ["<…>"]

    def _named(self, name: str) -> list[str]:
        known = self.known.get(name, getattr(self.module, name, None))
        if isinstance(known, str):
            return [known]
        if isinstance(known, list):
            return known
        if isinstance(known, ast.expr):
            told = _without(self, name).texts(known)
            return told if all(not text.startswith("<") for text in told) else [f"<{name}>"]
        return [f"<{name}>"]


def _without(scope: _Scope, name: str) -> _Scope:
    return replace(scope, known={key: value for key, value in scope.known.items() if key != name})


def _of_calls(module: ModuleType) -> Iterator[Declared]:
    """Give the metrics that a module makes one by one, and by helpers of its own."""
    name = f"{module.__name__.rpartition('.')[2]}.py"
    tree = ast.parse(files(str(module.__package__)).joinpath(name).read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    helpers = {
        function.name: (function, of)
        for function in functions
        for call, of in _makers(function, PARAMETERS)
        if "name" in of and {*_parameters(function)} & _names_in(of["name"]) and call in _own(function)
    }
    signatures = {name: _parameters(function) for name, (function, _) in helpers.items()}
    for function in functions:
        own, clocks = _own(function), _replaced_clocks(function)
        for call, of in _makers(function, PARAMETERS):
            if function.name not in helpers and call in own:
                yield from _rows(_Scope(module, _locals(function, module, call)), {**of, **clocks})
        for call, given in _makers(function, signatures):
            if call in own:
                scope = _Scope(module, _locals(function, module, call))
                told = {name: scope.texts(value) for name, value in given.items()}
                helper, of = helpers[_called(call)]
                inside = {**_locals(helper, module, call), **_defaults(helper), **told}
                yield from _rows(_Scope(module, inside), of)


def _makers(
    function: ast.FunctionDef, makers: Mapping[str, Sequence[str]]
) -> Iterator[tuple[ast.Call, dict[str, ast.expr]]]:
    """Find the calls of makers, with their arguments by name."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _called(node) in makers:
            given = dict(zip(makers[_called(node)], node.args, strict=False))
            given |= {word.arg: word.value for word in node.keywords if word.arg}
            if _called(node) == "metric":
                given["clock"] = ast.Constant(PLACE_CLOCK)
            yield node, given


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id="self" | "found"), attr=name):
            return name
    return ""


def _own(function: ast.FunctionDef) -> set[ast.AST]:
    """Give the nodes of a function without those of functions in it."""
    inner = [
        node for node in ast.walk(function) if isinstance(node, ast.FunctionDef) and node is not function
    ]
    return set(ast.walk(function)) - {node for each in inner for node in ast.walk(each)}


def _parameters(function: ast.FunctionDef) -> list[str]:
    return [each.arg for each in function.args.args if each.arg != "self"]


def _names_in(node: ast.expr) -> set[str]:
    """Give the names in an expression, without those of which only an attribute is taken."""
    owners = {each.value for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and each not in owners}


def _defaults(function: ast.FunctionDef) -> dict[str, ast.expr]:
    arguments = function.args
    late = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    return {each.arg: value for each, value in zip(late, arguments.defaults, strict=True)}


def _replaced_clocks(function: ast.FunctionDef) -> dict[str, ast.expr]:
    """Give the clock that ``structs.replace(found, clock=…)`` puts into a function's metrics."""
    return {
        word.arg: word.value
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "replace"
        for word in node.keywords
        if word.arg == "clock"
    }


def _locals(function: ast.FunctionDef, module: ModuleType, call: ast.Call) -> dict[str, ast.expr | list[str]]:
    """Collect what a function's names are: assigned once, or each of a constant's items in a loop around a call."""
    known: dict[str, ast.expr | list[str]] = {}
    for node in ast.walk(function):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                known[name] = value
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                pairs = zip(targets, values, strict=False)
                known |= {target.id: value for target, value in pairs if isinstance(target, ast.Name)}
    around = [node for node in ast.walk(function) if isinstance(node, _LOOPS) and call in ast.walk(node)]
    for node in around:
        for loop in [node] if isinstance(node, ast.For) else getattr(node, "generators", []):
            texts = list(_items(loop.iter, known, module))
            first = loop.target.elts[0] if isinstance(loop.target, ast.Tuple) else loop.target
            if isinstance(first, ast.Name) and texts:
                known[first.id] = texts
    return known


def _items(node: ast.expr, known: Mapping[str, Any], module: ModuleType) -> Iterable[str]:
    """Give the texts that a loop's first variable takes, as far as the source has them."""
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr="items")):
            return _items(value, known, module)
        case ast.Name(id=name) if isinstance(known.get(name), ast.expr):
            return _items(known[name], {}, module)
        case ast.Name(id=name):
            there = getattr(module, name, ())
            rows = list(there) if isinstance(there, tuple | list | dict) else []
            return [row[0] if isinstance(row, tuple) else row for row in rows if isinstance(row, str | tuple)]
        case ast.Tuple(elts=parts) | ast.Dict(keys=parts):
            firsts = [part.elts[0] if isinstance(part, ast.Tuple) else part for part in parts if part]
            nodes = [
                each
                for part in firsts
                for each in (ast.walk(part) if isinstance(part, ast.Starred) else (part,))
            ]
            return [
                each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)
            ]
    return ()


def _rows(scope: _Scope, of: Mapping[str, ast.expr]) -> Iterator[Declared]:
    (unit,), (direction,), (clock,) = (scope.texts(of.get(key))[:1] for key in _FIELDS[1:])
    for name in scope.texts(of.get("name")):
        if not (
            name.startswith("<") and unit.startswith("<")
        ):  # a general helper, which hands on what callers say
            timed = unit not in {"count", "ratio", "bytes"}
            yield Declared(name, unit, direction or "lower", clock if timed else "", _path(scope.module))
