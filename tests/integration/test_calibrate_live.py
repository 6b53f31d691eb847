"""``tare calibrate`` on this host: the injected slowdown is in the numbers, and nothing is left."""

import json
from pathlib import Path

import numpy as np
import pytest

from tare.bench.__main__ import main
from tare.results.storage.load import load_run

pytestmark = pytest.mark.integration


def test_injected_work_is_measured_and_rates_are_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [
        "calibrate",
        "--blocks",
        "12",
        "--shares",
        "50",
        "--runners",
        "bare",
        "--json",
        "--keep-in",
        "kept",
    ]
    assert main(words) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert {r["metric"] for r in found["rates"]} == {
        "launch.total", "command.seconds", "cpu.total", "cpu.host",
    }  # fmt: skip
    assert {r["share"] for r in found["rates"]} == {0.0, 0.5}
    stored = Path(err.rsplit("stored in ", 1)[1].strip())
    assert json.loads(stored.read_text())["run"] == found["run"]

    trials = list(load_run(stored.parent / "runs" / found["run"]).trials())
    assert all(t.outcome == "ok" for t in trials)
    assert {t.runner for t in trials if t.workload == "null"} == {
        "bare@base", "bare@base-again", "bare@twin", "bare@+50%",
    }  # fmt: skip

    def values(metric, **wanted):
        chosen = [t for t in trials if all(getattr(t, name) == value for name, value in wanted.items())]
        return np.array([m.value for t in chosen for m in t.metrics if m.name == metric])

    # CPU time, which others on the machine hardly touch: half as much again. Both sides of the start's spin are
    # marked by the same clock, so every slowed start has at least its spin between them.
    base, slowed = (values("cpu.total", workload=level, runner="bare") for level in ("base", "+50%"))
    assert 1.2 < np.median(slowed / base) < 1.8
    asked = load_run(stored.parent / "runs" / found["run"]).manifest.plan["request"]
    spin = 0.5 * asked["slowdowns"]["start_seconds"]["bare"]
    assert values("launch.total", workload="null", runner="bare@+50%").min() > spin
    assert not list(Path("/var/tmp").glob(f"tare-{found['run']}*"))
