"""Hold that temporary folders are made where `tare clean` finds them, should their maker be killed."""

from __future__ import annotations

import ast

from support.imports import modules, tree

MAKERS = {"mkdtemp", "TemporaryDirectory", "mkstemp", "NamedTemporaryFile"}

EXCEPTIONS = {
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
    assert makers == set(EXCEPTIONS), "use tare.results.scratch.scratch_folder"
