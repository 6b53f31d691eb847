"""Hold what may be loaded while something is measured: no heavy import on the measured path."""

from __future__ import annotations

import ast
import re

import pytest

from support.imports import loaded_by, modules, named, named_in

HEAVY = {"numpy", "pandas", "scipy", "matplotlib", "psutil", "rich", "pytest", "jinja2"}

START_UP = (
    "bench.__main__",
    "bench.pipeline",
    *(module for module in modules() if module.startswith("bench.campaign.")),
    "bench.planning.plan",
    "bench.analysis.conclusion",
    "bench.analysis.calibration",
    "results.record",
    "results.storage.store",
)
"""Loaded while something is measured, together with all that they import at top level, and all of runners."""


def heavy_in(module: str) -> list[str]:
    return [
        f"{module}:{line} imports {name}"
        for name, line, at_import in named(module)
        if at_import and name.split(".")[0] in HEAVY
    ]


def test_nothing_imports_the_tests():
    wrong = [
        f"{module}:{line}"
        for module in modules()
        for name, line, _ in named(module)
        if name.split(".")[0] in {"tests", "support"}
    ]
    assert wrong == []


def test_no_import_is_relative():
    wrong = [f"{module}:{line}" for module in modules() for name, line, _ in named(module) if name[0] == "."]
    assert wrong == []


def test_runners_load_nothing_heavy():
    wrong = [text for module in modules() if module.startswith("runners") for text in heavy_in(module)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("start", START_UP)
def test_start_up_loads_nothing_heavy(start):
    wrong = [
        f"{text}, loaded by way of {' → '.join(way)}"
        for module, way in loaded_by(start).items()
        for text in heavy_in(module)
    ]
    assert not wrong, "\n".join(wrong)


EXTRAS = {"dask", "distributed", "duckdb", "fsspec", "pyarrow"}
"""Packages of extras that whoever does not ask for them must not wait for."""


def test_no_module_imports_an_extra_when_it_is_imported():
    wrong = [
        f"{module}:{line} imports {name}"
        for module in modules()
        for name, line, at_import in named(module)
        if at_import and name.partition(".")[0] in EXTRAS
    ]
    assert wrong == []


def test_what_is_loaded_is_followed_over_packages():
    ways = loaded_by("bench.pipeline")
    assert {"bench", "results", "results.record"} <= set(ways)
    assert ways["bench"] == ("bench.pipeline", "bench")


def test_the_reader_of_imports_sees_them():
    found = list(
        named_in(
            ast.parse(
                "from typing import TYPE_CHECKING\n"
                "if TYPE_CHECKING:\n    import numpy\nelse:\n    import rich\n"
                "try:\n    import scipy.stats\nexcept ImportError:\n    pass\n"
                "def f():\n    import pandas\n"
                "class C:\n    from . import record\n    def g(self):\n        if True:\n            import jinja2\n"
                "match 1:\n    case 1:\n        import json\n"
            )
        )
    )
    assert {name for name, _, at_import in found if at_import} == {
        "typing.TYPE_CHECKING", "rich", "scipy.stats", "..record", "json",
    }  # fmt: skip
    assert {name for name, _, at_import in found if not at_import} == {"numpy", "pandas", "jinja2"}


NOT_FOR_OPTIONS = (
    "bench.planning.", "bench.campaign.", "bench.analysis.", "bench.pipeline", "bench.workloads.", "bench.experiments.",
    "results.storage.", "results.tables.", "results.judgement.", "reports.content.", "reports.plots.",
    "runners.registry", "runners.places.", "runners.guests.", "runners.containers.", "runners.provision.",
)  # fmt: skip
"""What `tare COMMAND --help` and a mistyped option must not wait for."""


@pytest.mark.parametrize("command", [m for m in modules() if re.fullmatch(r"bench\.commands\.[a-z]+", m)])
def test_options_are_declared_without_what_the_command_does(command):
    loaded = [module for module in loaded_by(command) if module.startswith(NOT_FOR_OPTIONS)]
    assert loaded == []
