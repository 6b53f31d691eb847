"""Hold the layers of the code base: every import goes down the table, and nothing goes round in a circle."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from support.imports import PARTS, circles, imports, modules, resolve
from support.paths import ROOT

LAYERS = {
    "results": [
        {
            "details",
            "environment",
            "record",
            "errors",
            "escapes",
            "garbage",
            "json_schema",
            "nearest",
            "origins",
            "plain_files",
            "printable",
            "said",
            "scratch",
            "toml_files",
        },
        {"plan"},
        {"storage"},
        {"tables"},
        {"statistics"},
        {"judgement", "imports", "stores"},
    ],
    "reports": [
        {"model"},
        {"text", "summaries"},
        {"plots", "content"},
        {"render", "exports"},
        {"build"},
    ],
    "runners": [
        {"errors", "model", "settings", "entry_points"},
        {"undoing"},
        {"native", "host"},
        {"provision"},
        {"images"},
        {"agent", "launcher"},
        {"context"},
        {"collectors", "inside"},
        {"places"},
        {"bare", "fake", "refusing", "containers", "guests"},
        {"registry"},
        {"cleanup"},
    ],
    "bench": [
        {"errors", "console", "crash", "host_faults", "progress", "measurable", "settings_files"},
        {"workloads", "experiments"},
        {"own"},
        {"catalogue"},
        {"request"},
        {"planning"},
        {"campaign"},
        {"analysis"},
        {"pipeline"},
        {"fleet"},
        {"commands", "pytest_plugin", "api"},
        {"suite", "__main__", "tools"},
    ],
}
"""Part → its rooms, lowest first. A room imports what stands before it, or beside it in one direction only."""

MAY_IMPORT = {
    "results": {"results"},
    "reports": {"reports", "results"},
    "runners": {"runners", "results"},
    "bench": set(PARTS),
}

TO_MOVE: set[tuple[str, str]] = set()


def place_of(module: str) -> tuple[str, str, int]:
    """Give a module's part, room and layer; a part's own ``__init__`` is below everything."""
    part, _, rest = module.partition(".")
    room = rest.partition(".")[0]
    layers = [number for number, rooms in enumerate(LAYERS[part]) if room in rooms]
    return part, room, layers[0] if layers else -1


def test_every_module_has_a_layer():
    homeless = [m for m in modules() if "." in m and place_of(m)[2] < 0]
    assert homeless == []


@pytest.mark.parametrize("part", PARTS)
def test_imports_between_parts_go_one_way(part):
    wrong = [
        f"{i.importer}:{i.line} imports {i.imported}"
        for i in imports()
        if i.importer.split(".")[0] == part and i.imported.split(".")[0] not in MAY_IMPORT[part]
    ]
    assert wrong == []


@pytest.mark.parametrize("part", PARTS)
def test_imports_within_a_part_go_down(part):
    wrong = []
    for i in imports():
        (a, room, high), (b, other, low) = place_of(i.importer), place_of(i.imported)
        if a == b == part and "." in i.importer and low > high and (room, other) not in TO_MOVE:
            wrong.append(f"{i.importer}:{i.line} imports {i.imported}")
    assert wrong == []


def test_nothing_imports_the_tools():
    assert [
        i for i in imports() if place_of(i.imported)[:2] == ("bench", "tools") != place_of(i.importer)[:2]
    ] == []


def test_no_circle_of_modules():
    edges = defaultdict(set)
    for i in imports():
        edges[i.importer].add(i.imported)
    assert circles(edges) == []


def test_no_circle_of_rooms():
    edges = defaultdict(set)
    for i in imports():
        a, b = (".".join(m.split(".")[:2]) for m in (i.importer, i.imported))
        if a != b:
            edges[a].add(b)
    assert circles(edges) == []


@pytest.mark.parametrize("part", PARTS)
def test_the_architecture_document_has_the_same_table(part):
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8").replace("\\", "")
    (row,) = re.findall(rf"(?m)^\| `{part}` \| ([^|]+) \|", text)
    assert [{room.strip() for room in layer.split(",")} for layer in row.split("·")] == LAYERS[part]


def test_modules_are_imported_by_their_installed_name():
    assert resolve("results.record") is None
    assert resolve("tare.results.record") == "results.record"


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []
