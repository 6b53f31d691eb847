"""Hold the house's English where a machine can: docstrings begin with a verb, and one word names one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

import pytest

from support.imports import modules, statements, tree

RIDDLES = {"Of", "By", "For", "What", "How", "Whether", "On", "In", "As", "Where", "Those", "That", "Which"}
"""First words that make a reader guess the verb."""

LEAST = 30
"""Characters of a public docstring that says something."""

SHORT: dict[str, str] = {}
"""Public names whose short docstring is a whole contract → why."""

ONE_CLASS_EACH = {"Series", "Plan", "Case", "Variant", "Figure", "Point"}


def public(module):
    """Give the public classes and functions with their docstrings, and the module itself."""

    def visit(node, prefix):
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if child.name.startswith("_"):
                    continue
                yield f"{prefix}.{child.name}", ast.get_docstring(child)
                if isinstance(child, ast.ClassDef):
                    yield from visit(child, f"{prefix}.{child.name}")

    yield module, ast.get_docstring(tree(module))
    yield from visit(tree(module), module)


def docstrings():
    return {name: text for module in modules() for name, text in public(module) if text}


def test_docstrings_begin_with_a_verb_or_a_noun():
    assert {
        n: t.splitlines()[0] for n, t in docstrings().items() if t.split()[0].strip(",.:") in RIDDLES
    } == {}


def test_docstrings_say_something():
    short = {name: text for name, text in docstrings().items() if len(text) < LEAST}
    assert {name: text for name, text in short.items() if name not in SHORT} == {}
    assert [name for name in SHORT if name not in short] == []


def test_one_word_names_one_class():
    homes = defaultdict(list)
    for module in modules():
        for node in statements(tree(module)):
            if isinstance(node, ast.ClassDef) and node.name in ONE_CLASS_EACH:
                homes[node.name].append(module)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def _named_in(node):
    """Give the variables, attributes and placeholders of templates below a node, but for what ``joined`` is given."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "joined":
        return
    for child in ast.iter_child_nodes(node):
        yield from _named_in(child)
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from re.findall(r"\{(\w+)", node.value)


def _makes_text(node):
    joins = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join"
    return joins or isinstance(node, ast.JoinedStr | ast.BinOp | ast.Constant)


def by_hand(module_tree):
    """Give the lines that put a reason and its remedy, or what else follows a reason, into one text."""
    for node in ast.walk(module_tree):
        if _makes_text(node) and {"reason", "remedy"} <= set(_named_in(node)):
            yield getattr(node, "lineno", 0)


def test_reasons_and_remedies_are_put_together_in_one_place():
    """A reason may or may not end in a full stop, and a remedy may begin small: ``said.joined`` knows."""
    found = [
        f"{module}:{line}"
        for module, path in modules().items()
        if module != "results.said" and "remedy" in path.read_text("utf-8")
        for line in by_hand(tree(module))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'f"{skip.reason} {skip.remedy}"',
        '" ".join(filter(None, (one.reason, one.remedy)))',
        'reason + ". " + remedy',
        'say("x", "{what}: {reason}; {remedy}", reason=1)',
    ],
)
def test_the_search_finds_texts_put_together_by_hand(source):
    assert list(by_hand(ast.parse(source)))


def test_the_search_leaves_alone_what_is_apart():
    assert not list(by_hand(ast.parse('f(f"{one.reason}", one.remedy); say("x", "{reason}", reason=remedy)')))
