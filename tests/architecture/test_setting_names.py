"""Hold a law of messages: an error about a setting does not claim to know the option, since a file may have set it."""

from __future__ import annotations

import ast

from support.imports import modules, tree
from tare.bench.request.declarations import SETTINGS

OPTIONS = tuple(
    f"{option}{behind}"
    for one in SETTINGS
    for option in (one.option, one.long)
    for behind in (":", " {", " '")
)


def first_text(call):
    """Give the beginning of the text of a call's first argument; empty if it is none that can be read here."""
    text = call.args[0] if call.args else None
    if isinstance(text, ast.Call) and len(text.args) > 1:  # say(code, text)
        text = text.args[1]
    if isinstance(text, ast.JoinedStr):
        text = text.values[0]
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""


def first_texts():
    """Give module and beginning of the text of every error that is made."""
    for module in modules():
        if "Error(" in modules()[module].read_text("utf-8"):
            for node in ast.walk(tree(module)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Error"):
                    yield module, first_text(node)


def test_errors_about_settings_are_named_by_the_layer_that_they_come_from():
    found = list(first_texts())
    assert len(found) > 50
    # `tare sql --memory` is DuckDB's, and no setting.
    wrong = {
        module: text for module, text in found if text.startswith(OPTIONS) and module != "bench.commands.sql"
    }
    assert wrong == {}, "raise SettingRefused, which the command line words by the layer of the value"
