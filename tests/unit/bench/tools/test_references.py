"""Test that the metrics found in the source are those that runs have, and that the pages made of the code are whole."""

import argparse
import re
import shutil
import subprocess

import pytest

from tare.bench.__main__ import COMMANDS, build_parser
from tare.bench.tools.references.__main__ import main, stale
from tare.bench.tools.references.manual import _line, manual_pages
from tare.bench.tools.references.metrics import declared

METRICS = declared()


def rows(name):
    """Give what is declared under a name, placeholders standing for anything."""
    return [
        (each.unit, each.direction, each.clock)
        for each in METRICS
        if re.fullmatch(re.sub(r"<[^>]*>", "[^.]+", each.name.replace(".", r"\.")), name)
    ]


@pytest.mark.parametrize(
    ("name", "unit", "direction", "clock"),
    [
        ("cpu.total", "s", "lower", "cpu-time"),
        ("cpu.wait", "s", "none", "guest-monotonic or host-monotonic"),
        ("launch.total", "s", "lower", "guest-mapped or host-monotonic"),
        ("density.pss", "bytes", "lower", ""),
        ("density.host", "bytes", "none", ""),
        ("deploy.layers.moved", "bytes", "lower", ""),
        ("deploy.layers.total", "s", "lower", "host-monotonic"),
        ("fio.randread.p99", "s", "lower", "place-monotonic"),
        ("net.round_trip.p999", "s", "lower", "place-monotonic"),
        ("net.stream.in", "bytes/s", "higher", "place-monotonic"),
        ("stress-ng.fork.rate", "ops/s", "higher", "place-realtime"),
        ("vmm.cpu.vcpu", "s", "lower", "cpu-time"),
    ],
)
def test_metrics_are_found(name, unit, direction, clock):
    assert set(rows(name)) == {(unit, direction, clock)}


def test_what_the_source_says_is_complete():
    assert len(METRICS) > 150
    assert [
        each for each in METRICS if each.direction not in {"lower", "higher", "none", "<direction>"}
    ] == []


def test_a_stale_page_is_named_and_fails_the_check(tmp_path, capsys, monkeypatch):
    makers = {"docs": lambda: {"new.md": "new"}, "man": lambda: {"tare.1": "page"}}
    monkeypatch.setattr("tare.bench.tools.references.__main__.FOLDERS", makers)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "old.md").write_text("of a command that is gone")
    assert stale(tmp_path) == ["docs/new.md", "docs/old.md", "man/tare.1"]
    assert main(["--check"], tmp_path) == 1
    assert "docs/old.md, man/tare.1. Remedy: `python" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert stale(tmp_path) == []
    assert (tmp_path / "man" / "tare.1").read_text() == "page"
    assert not (tmp_path / "docs" / "old.md").exists()


PAGES = manual_pages()


def test_there_is_a_manual_page_for_each_command_with_all_its_options():
    assert set(PAGES) == {"tare.1", *(f"tare-{name}.1" for name in COMMANDS)}
    _, parsers, _ = build_parser(*COMMANDS)
    for name, parser in parsers.items():
        page = PAGES[f"tare-{name}.1"].replace("\\-", "-")
        assert all(f"\\fB{option}\\fR" in page for option in options_of(parser))
    assert all(f"\\fB{name}\\fR" in PAGES["tare.1"].replace("\\-", "-") for name in COMMANDS)


def options_of(parser):
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield from (name, *(one for one in options_of(sub) if one not in {"-h", "--help"}))


def test_text_is_escaped_for_roff():
    assert _line(".x") == "\\&.x"
    assert _line("'a' -b \"c\" d\\e `f` …") == "\\(aqa\\(aq \\-b \\(dqc\\(dq d\\ee \\(gaf\\(ga \\[u2026]"
    assert _line("") == "\\&"


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed: `apt-get install groff-base`")
def test_groff_finds_nothing_wrong_with_the_pages(tmp_path):
    for name, page in PAGES.items():
        (tmp_path / name).write_text(page)
    files = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", "-Tutf8", *files], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    broken = tmp_path / "broken.1"
    broken.write_text(f"{PAGES['tare.1']}.nosuchrequest\n")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", str(broken)], capture_output=True, text=True, check=False
    )
    assert "nosuchrequest" in done.stderr
