"""Calibration: rates from a run whose truth is known, and the slowdown that is injected."""

import json

import numpy as np
import pytest

from support.results_making import metric, trial, write_run
from support.stub import Duck
from tare.bench.analysis import calibration_tables
from tare.bench.commands.calibrate import _shares
from tare.results.errors import ResultError
from tare.results.judgement.calibration import (
    FORMAT,
    Calibration,
    blocks_for,
    rates,
    read_calibration,
    split_level,
    write_calibration,
)
from tare.results.judgement.levels import injected_share, level_name
from tare.results.storage.load import load_run
from tare.runners.launcher.processes import SpawnRequest
from tare.runners.launcher.steps.namespaces import SetHostname
from tare.runners.launcher.steps.process import Spin
from tare.runners.places.slowdown import DelayedLauncher

SHARES = (0.05, 0.10)


def measured(folder, noise, blocks=80):
    """Both kinds on one runner: CPU work as workloads, cold starts as variants of the runner."""
    random = np.random.default_rng(1)
    trials = []
    for block in range(blocks):
        drift = 1 + block / blocks
        for level, share in (("base", 0.0), ("twin", 0.0), *((level_name(s), s) for s in SHARES)):
            for again in ("", "-again") if level == "base" else ("",):
                common = {"block": block, "invocation": block, "control": bool(again)}
                value = float(drift * (1 + share) * np.exp(random.normal(0, noise)))
                own = metric(value, name="command.seconds", primary=True)
                trials.append(trial(len(trials), own, workload=level, runner=f"bare{again}", **common))
                own = metric(value, name="launch.total", primary=True)
                runner = f"bare@{level}{again}"
                trials.append(trial(len(trials), own, workload="null", runner=runner, **common))
    return load_run(write_run(folder, trials, status="complete"))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    run = measured(tmp_path_factory.mktemp("runs"), 0.01)
    return rates(run, 0.02, seed=1, counts=(10, 40))


def of(found, **wanted):
    return [r for r in found if all(getattr(r, name) == value for name, value in wanted.items())]


def test_both_kinds_have_rates_for_every_level_and_number_of_blocks(found):
    for workload in ("cpu", "cold start"):
        own = of(found, workload=workload, runner="bare", relabelled=False)
        assert {(r.share, r.blocks) for r in own} == {(s, n) for s in (0.0, *SHARES) for n in (10, 40)}
        assert {r.distinct for r in own} == {8, 2}


def test_what_differs_is_found_and_what_does_not_raises_no_alarm(found):
    assert all(r.found == 1 for r in of(found, share=0.10, blocks=40))
    # A lasting state of the machine may do as much unseen in ten blocks.
    assert all(r.found == 0 for r in of(found, share=0.10, blocks=10))
    assert all(r.false_calls <= 0.01 for r in of(found, share=0.0))
    assert all(r.comparisons == 400 for r in of(found, share=0.0, relabelled=True))


def test_every_comparison_has_one_verdict(found):
    assert all(r.worse + r.better + r.same + r.undecided == r.comparisons for r in found)


@pytest.mark.slow
def test_noise_lowers_power_and_widens_intervals(found, tmp_path):
    noisy = rates(measured(tmp_path, 0.2), 0.02, seed=1, counts=(40,))
    for share in (0.0, *SHARES):
        (calm,), (loud,) = (
            of(one, workload="cpu", share=share, blocks=40, relabelled=False) for one in (found, noisy)
        )
        assert loud.half_width > 5 * calm.half_width
        assert loud.worse < calm.worse or not share


@pytest.mark.parametrize(
    ("workload", "runner", "told"),
    [
        ("base", "bare", ("cpu", "bare", "base")),
        ("base", "bare-again", ("cpu", "bare", "base-again")),
        ("+5%", "namespaces", ("cpu", "namespaces", "+5%")),
        ("null", "bare@+5%", ("cold start", "bare", "+5%")),
        ("null", "bare@base-again", ("cold start", "bare", "base-again")),
    ],
)
def test_identity(workload, runner, told):
    assert split_level(workload, runner) == told


@pytest.mark.parametrize("share", [0.01, 0.025, 0.05, 0.2])
def test_levels_are_read_as_they_were_written(share):
    assert injected_share(level_name(share)) == pytest.approx(share)


def test_it_is_kept_and_read_again(found, tmp_path):
    kept = Calibration(
        format=FORMAT, host_class="h", created="", run="r", threshold=0.02, blocks=80, rates=found
    )
    path = tmp_path / "a" / "calibration.json"
    assert read_calibration(path) is None
    write_calibration(kept, path)
    assert read_calibration(path) == kept
    assert kept.rate("command.seconds", 0.05, 60).blocks == 40
    assert kept.rate("command.seconds", 0.0, 60).relabelled
    assert kept.rate("command.seconds", 0.05, 9) is None
    path.write_text("{")
    with pytest.raises(ResultError, match="calibrate"):
        read_calibration(path)


def test_tables(found):
    kept = Calibration(
        format=FORMAT,
        host_class="h",
        created="",
        run="r",
        threshold=0.02,
        blocks=80,
        rates=found,
        load=[1, 2],
    )
    assert json.loads(calibration_tables.as_json(kept))["rates"]
    text, marked = calibration_tables.as_text(kept), calibration_tables.as_markdown(kept)
    assert "False alarms" in text
    assert "| cold start | bare | launch.total | 10 |" in marked


def test_blocks_for(found):
    own = of(found, workload="cpu", share=0.10)
    assert blocks_for(own, 0.95) == 40
    assert blocks_for(own, 1.1) is None


@pytest.mark.parametrize("text", ["0", "-1", "101", "a", ""])
def test_shares_that_are_none_are_refused(text):
    with pytest.raises(Exception, match="percentages"):
        _shares(text)


class Recorder(Duck):
    def __init__(self):
        self.requests, self.closed = [], 0

    def spawn(self, request, timeout_seconds=None):
        self.requests.append(request)
        return "spawned"

    def wait(self, number):
        return number

    def inside(self, steps, environ):
        return self

    def close(self):
        self.closed += 1


def test_a_delayed_launcher_spins_before_everything_else_and_is_the_launcher_in_the_rest():
    inner = Recorder()
    delayed = DelayedLauncher(inner, 1e-3)
    request = SpawnRequest(("x",), steps=(SetHostname("tare"),))
    spawned: object = delayed.spawn(request)
    assert spawned == "spawned"
    with delayed.inside((), {}) as second:
        second.spawn(request)
    assert [r.steps for r in inner.requests] == [(Spin(1e-3), SetHostname("tare"))] * 2
    assert (delayed.wait(7), inner.closed) == (7, 1)
