"""Hold the house's English where a machine can: docstrings begin with a verb, and one word names one thing."""

from __future__ import annotations

import ast
from collections import defaultdict

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
