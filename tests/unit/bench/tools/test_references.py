"""Test that the metrics found in the source are those that runs have."""

import re

import pytest

from tare.bench.tools.references.__main__ import main, stale
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
    monkeypatch.setattr("tare.bench.tools.references.__main__.FOLDER", tmp_path)
    (tmp_path / "old.md").write_text("of a command that is gone")
    assert "old.md" in stale(tmp_path)
    monkeypatch.setattr("tare.bench.tools.references.__main__.stale", lambda: ["old.md"])
    assert main(["--check"]) == 1
    assert "nox -s references" in capsys.readouterr().err
    assert main([]) == 0
    assert not (tmp_path / "old.md").exists()
