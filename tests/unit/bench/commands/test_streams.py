"""Every command keeps its exit code when nobody reads what it prints, and none has a stream."""

import io
import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest

from support.results_making import metric, trial, write_run
from tare.bench.__main__ import COMMANDS, main
from tare.bench.errors import Exit

LINES = [
    "list", "list --json", "show base", "history", "compare base head", "compare base head --json",
    "compare base head --format markdown", "baseline list", "config", "claims base", "workloads check own.toml", "import own.toml",
    "export base --format csv", "export base --format chrome-trace", "report base", "open base", "store list --store kept",
    "store push base --store kept", "sql -", "sql", "clean --dry-run", "clean", "plan quick", "run quick", "ab", "fleet", "calibrate --analyse",
    "doctor --fix no", "--version", "--print-completion bash", "--help", "run --help", "no-such",
]  # fmt: skip
"""Command lines of every command, good and bad ones; those that measure are refused."""


def test_every_command_is_among_the_lines():
    assert {line.split()[0] for line in LINES} > set(COMMANDS)


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("tare.runners.cleanup._USUAL", ())
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TARE_WORKDIR", str(tmp_path))
    (tmp_path / "own.toml").write_text("workloads.a.command = 'true'")
    host = {"cpu": {"model": "Alpha", "allowed": 2}}
    for name in ("base", "head"):
        run = f"20261123-191748-{name}"
        trials = [trial(i, metric(1.0 + i / 100, primary=True), run=run) for i in range(3)]
        write_run(tmp_path / "results/runs", trials, run=run, name=name, status="complete", host=host)


@contextmanager
def left():
    """Give a stream whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", 0) as raw:
        yield io.TextIOWrapper(raw)


def code_of(line, stream):
    with redirect_stdout(stream), redirect_stderr(stream):
        return main(line.split())


@pytest.mark.parametrize("line", LINES)
def test_closed_streams_and_readers_that_left_change_no_exit_code(line, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    code = code_of(line, None)
    assert code != Exit.CRASHED
    with left() as stream:
        assert code_of(line, stream) == code
