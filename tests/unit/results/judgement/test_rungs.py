"""Each rung against the one below it: pairing, missing rungs, branches."""

import pytest

from support.ladder_runs import COSTS, run
from support.results_making import manifest
from tare.results.environment import ProbeRecord
from tare.results.judgement.rungs import rung_costs, rungs
from tare.results.tables.frame import read_frame


def test_drift_cancels_and_each_rung_is_its_own_step(tmp_path):
    rises = {rise.runner: rise for rise in rung_costs(read_frame(run(tmp_path, COSTS)))}
    mount = rises["namespaces:+mount"]
    assert mount.below == "namespaces:chroot"
    assert mount.cost.value == pytest.approx(2.1 / 1.1)
    assert mount.cost.low < 2.1 / 1.1 < mount.cost.high
    assert mount.total.value == pytest.approx(2.1)
    assert mount.cost.n == 8
    assert mount.difference.low > 0


def test_without_drift_the_difference_is_exact(tmp_path):
    (first, *_) = rung_costs(read_frame(run(tmp_path, COSTS, drift=0.0)))
    assert (first.rung, first.below) == ("chroot", "bare")
    assert first.difference.value == pytest.approx(0.1e-3)


def test_a_rung_that_was_not_measured_is_passed_over(tmp_path):
    rises = rung_costs(read_frame(run(tmp_path, COSTS)))
    assert [(rise.rung, rise.below) for rise in rises] == [
        ("chroot", "bare"),
        ("mount", "namespaces:chroot"),
        ("seccomp", "namespaces:+mount"),
    ]


def test_branches_are_compared_with_where_they_leave(tmp_path):
    costs = {"bare": 1.0, "namespaces:+net": 2.0, "namespaces:+net-nat": 3.0, "namespaces:+cgroup": 2.2}
    rises = {rise.rung: rise.below for rise in rung_costs(read_frame(run(tmp_path, costs)))}
    assert rises == {"net": "bare", "net-nat": "namespaces:+net", "cgroup": "namespaces:+net"}


def test_where_an_invocation_holds_several_blocks_only_ratios_are_said(tmp_path):
    rises = rung_costs(read_frame(run(tmp_path, COSTS, nested=True)))
    assert all(rise.difference is None for rise in rises)
    assert rises[0].cost.low < rises[0].cost.value < rises[0].cost.high


def test_runners_that_stand_on_no_rung_climb_nothing():
    assert rungs(manifest(probes={})) == rungs(manifest(probes={"bare": ProbeRecord(ok=True)})) == ()
