"""Hold how files are opened: none that a user names is waited for, and no temporary folder is lost with its maker."""

from __future__ import annotations

import ast

from support.imports import modules, tree

MAKERS = {"mkdtemp", "TemporaryDirectory", "mkstemp", "NamedTemporaryFile"}

TEMPORARY = {
    "results.scratch": "makes them",
    "results.stores.packing": "in a temporary folder of its caller's",
    "bench.experiments.delivery": "in the run's work folder",
    "runners.containers.engines.podman_home": "in the run's work folder",
    "runners.containers.kubernetes.build": "in the draft of a cache entry",
    "runners.provision.cache": "drafts of entries, removed by whoever makes the entry next",
    "runners.containers.engines.private": "becomes the daemon's folder, below /run",
}
"""Module → where its temporary folders are, so that they go with what is around them."""


def makes_one(module):
    if "tempfile" not in modules()[module].read_text("utf-8"):
        return False
    return any(
        (isinstance(node, ast.Attribute) and node.attr in MAKERS)
        or (isinstance(node, ast.alias) and node.name in MAKERS)
        for node in ast.walk(tree(module))
    )


def test_temporary_folders_are_made_where_they_are_found():
    makers = {module for module in modules() if not module.startswith("bench.tools.") and makes_one(module)}
    assert makers == set(TEMPORARY), "use tare.results.scratch.scratch_folder"


NAMED_BY_USERS = (
    "results",
    "bench.analysis",
    "bench.commands",
    "bench.request",
    "bench.own",
    "bench.settings_files",
)
"""Where files are read whose names users give, or that lie where others write."""

READ_OTHERWISE = {
    "results.storage.store": "the trials of a run, after they were locked, which refuses what is no file",
    "results.stores.folder": "what was packed in a temporary folder",
    "bench.own.files": "a second time: it was read as TOML",
    "bench.own.function_modules": "modules that Python has found",
    "bench.own.functions": "a program of the suite's",
    "bench.settings_files": "after it was seen to be a file: one of others is passed over silently",
}
"""Module → what it reads by other means than `tare.results.plain_files`."""


def reads_otherwise(module):
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, of = node.func.attr, ast.unparse(node.func.value)
            modes = [each.value for each in node.args if isinstance(each, ast.Constant)]
            reads = name in {"read_bytes", "read_text"} and of != "documents"
            if reads or (name == "open" and any("r" in mode for mode in modes if isinstance(mode, str))):
                return True
    return False


def test_files_that_users_name_are_opened_without_waiting():
    read = {module for module in modules() if module.startswith(NAMED_BY_USERS) and reads_otherwise(module)}
    assert read == set(READ_OTHERWISE), "use open_plain or read_plain of tare.results.plain_files"
