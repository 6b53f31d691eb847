"""Hold the laws of size: what one can keep in the head."""

from __future__ import annotations

import ast

from support.imports import modules, tree

LINES_OF_A_MODULE, LINES_OF_A_FUNCTION, PARAMETERS = 400, 60, 7

EXCEPTIONS: dict[str, str] = {}
"""Module, or ``module.function`` → why it is larger."""


def functions(module):
    """Give every function with its dotted name, methods and inner ones included."""

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{prefix}.{child.name}", child
                yield from visit(child, f"{prefix}.{child.name}")
            elif isinstance(child, ast.ClassDef):
                yield from visit(child, f"{prefix}.{child.name}")
            elif not isinstance(child, ast.expr):
                yield from visit(child, prefix)

    return visit(tree(module), module)


def too_large():
    for module, path in modules().items():
        if (count := len(path.read_text("utf-8").splitlines())) > LINES_OF_A_MODULE:
            yield module, f"{count} lines"
        for name, node in functions(module):
            lines = node.end_lineno - node.lineno + 1
            arguments = node.args
            taken = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
            taken = [a for a in taken if a not in {"self", "cls"}]
            if lines > LINES_OF_A_FUNCTION:
                yield name, f"{lines} lines"
            if len(taken) > PARAMETERS:
                yield name, f"{len(taken)} parameters"


def test_modules_and_functions_are_small():
    found = dict(too_large())
    assert {name: why for name, why in found.items() if name not in EXCEPTIONS} == {}
    assert [name for name in EXCEPTIONS if name not in found] == [], "no longer an exception"
    assert all(len(reason) > 20 for reason in EXCEPTIONS.values())
