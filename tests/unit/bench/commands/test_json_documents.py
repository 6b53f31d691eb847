"""``--json`` prints one document and nothing else, and its fields are those that ``docs/exports.md`` lists."""

import json
import re

import pytest

from support.paths import ROOT
from support.results_making import metric, trial, write_run
from tare.bench.__main__ import main

HOST = {"cpu": {"model": "Alpha", "allowed": 2}}
VALUES = [round(1 + (i * 29 % 48 - 23.5) / 1e4, 5) for i in range(24)]


def documented():
    """Give the fields of each command's row, by the command."""
    section = (ROOT / "docs/exports.md").read_text("utf-8").partition("## JSON of commands")[2]
    rows = [line.split("|")[1:4] for line in section.splitlines() if line.startswith("| `tare")]
    return {
        command: set(re.findall(r"`([a-z_]+)`", fields))
        for commands, _, fields in rows
        for command in re.findall(r"`tare ([a-z ]+)`", commands)
    }


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TARE_WORKDIR", str(tmp_path))
    for name in ("base", "head"):
        run = f"20261123-191748-{name}"
        trials = [trial(i, metric(value, primary=True), run=run) for i, value in enumerate(VALUES)]
        write_run(tmp_path / "results/runs", trials, run=run, name=name, status="complete", host=HOST)


@pytest.mark.parametrize(
    "command",
    [
        "list",
        "show base",
        "history",
        "claims",
        "config",
        "workloads",
        "compare base head",
        "baseline list",
        "clean --dry-run",
    ],
)
def test_the_fields_of_a_document_are_listed(runs, capsys, command):
    assert main([*command.split(), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = found if isinstance(found, list) else [found]
    listed = documented()
    name = next(known for known in sorted(listed, key=len, reverse=True) if command.startswith(known))
    assert {field for row in rows for field in row} <= listed[name]
    assert rows or command == "baseline list"
