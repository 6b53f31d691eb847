"""Read from the sources of the reports which texts of the catalogue they ask for."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from support.imports import parsed
from support.paths import ROOT as PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = PROJECT / "reports"

SPEAKERS = {"words", "spoken", "catalogue"}
"""Names under which the sources call a catalogue, by themselves or as an attribute: ``words(…)``, ``page.words(…)``."""


Constants = dict[str, list[str]]
"""Name → the strings that it may stand for; empty where they are not known."""


class Asked(NamedTuple):
    """Texts that the sources ask for."""

    keys: frozenset[str]
    """Keys that stand in the sources, or that a loop over constants gives."""
    patterns: frozenset[str]
    """Keys with a part that is only known at run time, as in the sources: ``verdict.{comparison.verdict}``."""


def asked_texts() -> Asked:
    """Collect the keys of all calls of a catalogue, in the Python sources and in the templates."""
    keys: set[str] = set()
    patterns: set[str] = set()
    for path in sorted((*ROOT.rglob("*.py"), *(ROOT.parent / "bench" / "analysis").glob("*.py"))):
        for key in _keys(parsed(path)):
            (patterns if "{" in key else keys).add(key)
    for path in sorted(ROOT.rglob("*.j2")):
        keys.update(re.findall(r'words\("([^"]+)"', path.read_text("utf-8")))
    return Asked(frozenset(keys), frozenset(patterns))


def _keys(module: ast.Module) -> Iterator[str]:
    for function in (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)):
        assigned = {
            node.targets[0].id: _constants(node.value, {})
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        yield from _visit(function, assigned)


def _visit(node: ast.AST, known: Constants) -> Iterator[str]:
    """Visit a node with the constants that names stand for there; a comprehension or a loop binds its own."""
    if isinstance(node, ast.Call) and _speaks(node.func) and node.args:
        yield from _values(node.args[0], known)
    if isinstance(node, ast.For):
        known = known | _bound(node.target, node.iter, known)
    for generator in getattr(node, "generators", ()):
        known = known | _bound(generator.target, generator.iter, known)
    for child in ast.iter_child_nodes(node):
        yield from _visit(child, known)


def _bound(target: ast.expr, values: ast.expr, known: Constants) -> Constants:
    if isinstance(target, ast.Tuple):
        target = target.elts[0]
    return {target.id: _constants(values, known)} if isinstance(target, ast.Name) else {}


def _speaks(callee: ast.expr) -> bool:
    name = callee.attr if isinstance(callee, ast.Attribute) else getattr(callee, "id", "")
    return name in SPEAKERS


def _values(key: ast.expr, known: Constants) -> Iterator[str]:
    match key:
        case ast.Constant(value=str(text)):
            yield from [text] if "." in text else []  # ``words("en")`` loads a catalogue
        case ast.IfExp(body=one, orelse=other):
            yield from (*_values(one, known), *_values(other, known))
        case ast.Name(id=name):
            yield from known.get(name, [])
        case ast.JoinedStr():
            texts = [""]
            for part in key.values:
                if isinstance(part, ast.Constant):
                    texts = [text + str(part.value) for text in texts]
                elif isinstance(part, ast.FormattedValue):
                    inside = ast.unparse(part.value)
                    texts = [text + one for text in texts for one in known.get(inside) or [f"{{{inside}}}"]]
            yield from texts


def _constants(node: ast.expr, known: Constants) -> list[str]:
    """Give the strings of a tuple, or the first ones of a tuple of tuples; empty if one of them is not a constant."""
    match node:
        case ast.Name(id=name):
            found = known.get(name, [])
        case ast.JoinedStr():
            found = list(_values(node, known))
        case ast.IfExp(body=one, orelse=other):
            found = _constants(one, known) + _constants(other, known)
        case ast.Constant(value=str(text)):
            found = [text]
        case ast.Tuple(elts=items):
            firsts = [one.elts[0] if isinstance(one, ast.Tuple) and one.elts else one for one in items]
            texts = [
                one.value for one in firsts if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            found = texts if len(texts) == len(items) else []
        case _:
            found = []
    return found


def said_sentences() -> Iterator[tuple[str, set[str]]]:
    """Collect code and names of values of every sentence that the suite's sources say."""
    for call in _said():
        code = call.args[0]
        text = code.value if isinstance(code, ast.Constant) else ast.unparse(code)[2:-1]
        yield str(text), {one.arg for one in call.keywords if one.arg}


def fixed_sentences() -> Iterator[tuple[str, str]]:
    """Collect code and text of every sentence without values."""
    for call in _said():
        match call:
            case ast.Call(args=[ast.Constant(value=str(code)), ast.Constant(value=str(text))], keywords=[]):
                yield code, text


def templates() -> Iterator[tuple[str, str, set[str]]]:
    """Collect code, English template and names of values of every sentence whose template stands in the source."""
    for call in _said():
        match call:
            case ast.Call(
                args=[ast.Constant(value=str(code)), ast.Constant(value=str(text))], keywords=words
            ):
                if all(word.arg for word in words):
                    yield code, text, {str(word.arg) for word in words}


@cache
def _source(path: Path) -> str:
    return path.read_text("utf-8")


@cache
def _said() -> tuple[ast.Call, ...]:
    return tuple(_calls_of_say())


def _calls_of_say() -> Iterator[ast.Call]:
    for part in ("results", "reports", "bench", "runners"):
        for path in sorted((ROOT.parent / part).rglob("*.py")):
            source = _source(path)
            if "from tare.results.said import" not in source and path.name != "said.py":
                continue  # a function of the same name
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say" and node.args:
                    yield node


def unsaid_errors() -> Iterator[str]:
    """Name the lines that raise or make an error with an English text which no other language can repeat."""
    for part in ("results", "reports", "bench", "runners"):
        for path in sorted((ROOT.parent / part).rglob("*.py")):
            name = str(path.relative_to(ROOT.parent))
            if name in FOR_PROGRAMMERS or name.startswith(("bench/tools/", "runners/fake.py", *BY_PYTEST)):
                continue
            for node in ast.walk(parsed(path)):
                made = _error_of(node)
                if made is not None:
                    values = (*made.args, *(one.value for one in made.keywords if one.arg != "log"))
                    if ast.unparse(made.func) not in UNSEEN_ERRORS and any(map(_is_phrase, values)):
                        yield f"{name}:{made.lineno}: {ast.unparse(made)[:120]}"


def _error_of(node: ast.AST) -> ast.Call | None:
    """Give the error that is raised, or made to be raised elsewhere: its name tells it."""
    match node:
        case ast.Raise(exc=ast.Call() as made):
            return made
        case ast.Call(func=ast.Name(id=name)) if re.search("(Error|Fault|Failure|Unreadable)$", name):
            return node
    return None


UNSEEN_ERRORS = {
    *("AssertionError", "TypeError", "KeyError", "AttributeError", "NotImplementedError", "RuntimeError"),
    *("OSError", "FileNotFoundError", "Odd"),
}
"""Errors that tell a programmer of a mistake, and end as crashes; those of the system, whose texts are not ours; the name of an
exit that was not expected."""

FOR_PROGRAMMERS = {
    "reports/plots/raster.py", "runners/agent/session.py", "runners/collectors/host_cpu.py",
    "runners/launcher/protocol.py", "runners/places/commanded.py",
}  # fmt: skip
"""Modules whose other errors, too, are caught or cannot come up without a mistake in the suite."""

BY_PYTEST = ("bench/pytest_plugin/", "bench/api.py")
"""Parts that speak as pytest and Python do, in English: there is no ``--lang``."""


def _is_phrase(value: ast.expr) -> bool:
    match value:
        case ast.Constant(value=str(text)):
            return re.search("[a-z]{2,} [a-z]{2,}", text) is not None
        case ast.JoinedStr(values=parts):
            text = "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in parts)
            return re.search("[a-z{}]{2,}[:,]? [a-z{}]{2,}", text) is not None
        case ast.IfExp(body=one, orelse=other):
            return _is_phrase(one) or _is_phrase(other)
        case ast.Call(func=ast.Attribute(value=ast.Constant() | ast.JoinedStr() as text)):
            return _is_phrase(text)
    return False


PRINTERS = {"print", "note", "out", "say", "tell", "progress", "_fail"}
"""Names of functions that show a text to the user."""


def unsaid_lines() -> Iterator[str]:
    """Name the lines of commands, and of what speaks while they work, that print an English text as it stands."""
    parts = (ROOT.parent / "bench", ROOT.parent / "runners")
    for path in sorted(path for part in parts for path in part.rglob("*.py")):
        name = str(path.relative_to(ROOT.parent))
        if name in FOR_PROGRAMMERS or name.startswith(("bench/tools/", *BY_PYTEST)):
            continue
        for node in ast.walk(parsed(path)):
            match node:
                case ast.Call(func=ast.Name(id=callee) | ast.Attribute(attr=callee)) if callee in PRINTERS:
                    said = "from tare.results.said" in _source(path) and callee == "say"
                    texts = () if said and isinstance(node.func, ast.Name) else node.args
                    if any(
                        re.search("[a-z]{2,},? [a-z]{2,}", text)
                        for one in texts
                        for text in _constant_parts(one)
                    ):
                        yield f"{name}:{node.lineno}: {ast.unparse(node)[:120]}"


def _constant_parts(value: ast.expr) -> Iterator[str]:
    """Give the texts that stand in a string, and in what is filled in; those of calls are said, or of no reader."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call):
            return
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


CONDITIONS = {
    *("network", "root", "scratch_file_system", "memory_limit_by", "pids_limit_by", "kernel_mark", "channel", "cpu_model"),
    *("limitations", "io", "memory_pages", "memory_allocated", "client_cpus", "victim_cpus", "console", "kernel_origin"),
}  # fmt: skip
"""Names of conditions of trials whose values are partly in words."""


def recorded_conditions() -> Iterator[tuple[str, str]]:
    """Give place and text of each value of a condition that the sources write in words and not by ``say``."""
    modules = {
        path: parsed(path)
        for part in ("runners", "bench")
        for path in sorted((ROOT.parent / part).rglob("*.py"))
    }
    constants = {
        target.id: node.value
        for module in modules.values()
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and node.value is not None
    }
    for path, module in modules.items():
        for node in ast.walk(module):
            for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
                if (
                    isinstance(key, ast.Constant)
                    and key.value in CONDITIONS
                    and not isinstance(value, ast.Dict)
                ):
                    yield from ((f"{path.name}:{value.lineno}", text) for text in _written(value, constants))


def _written(value: ast.AST, constants: dict[str, ast.expr]) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr():
            yield ast.unparse(value)
        case ast.Call(func=ast.Name(id="say")) | ast.Attribute():
            pass
        case ast.Name(id=name) if name in constants:
            yield from _written(constants[name], constants)
        case ast.Dict(values=values):
            for one in values:
                yield from _written(one, constants)
        case ast.Subscript(value=what):
            yield from _written(what, constants)
        case _:
            for child in ast.iter_child_nodes(value):
                yield from _written(child, constants)
