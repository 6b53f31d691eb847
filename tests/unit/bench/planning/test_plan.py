import pytest

from support.changing import replace
from tare.bench.planning.estimates import Estimates
from tare.bench.planning.matrix import Aim, Selection, cross, make_plan
from tare.bench.planning.modes import JOB_SECONDS, MODES, is_planned
from tare.bench.workloads.listing import WORKLOADS
from tare.results.record import Accelerator
from tare.runners.fake import FakeRunner
from tare.runners.model import Probe

ACCELERATORS: dict[str, Accelerator] = {"bare": "none", "bare-again": "none", "box": "none", "guest": "tcg"}


def plan(
    mode="default",
    match=lambda _names: True,
    blocks=None,
    refusal=None,
    missing=None,
    seen=None,
    keys=("bare", "box", "guest"),
):
    runners = {key: FakeRunner(key, accelerator=ACCELERATORS[key]) for key in keys}
    probes = {key: Probe(ok=True) for key in keys}
    if refusal:
        probes["guest"] = refusal
    aim = Aim(MODES[mode], Estimates(ACCELERATORS, seen or {}), blocks)
    return make_plan(cross(Selection(WORKLOADS, match, missing=missing or {}), runners, probes), aim, 1)


@pytest.mark.parametrize("mode", MODES)
def test_a_run_with_a_scheduler_takes_its_budget(mode):
    made = plan(mode)
    assert made.blocks is None
    assert made.estimate_seconds == made.budget_seconds == MODES[mode].budget_seconds
    assert made.precision == MODES[mode].precision


def test_the_base_is_planned_twice():
    runners = [case.runner for case in plan().cases if case.workload.name == "cpu"]
    assert runners == ["bare", "bare-again", "box", "guest"]


def test_a_refusing_runner_becomes_a_skip_with_its_reason_and_remedy():
    made = plan(refusal=Probe(ok=False, reason="no QEMU", remedy="apt install it"))
    assert "guest" not in {case.runner for case in made.cases}
    assert {(s.runner, s.reason, s.remedy) for s in made.skips} == {
        ("guest(tcg)", "no QEMU", "apt install it")
    }
    assert [skip.workload for skip in made.skips] == [
        one.name for one in WORKLOADS if is_planned(one, "default", named=False)
    ]


def test_a_missing_program_skips_its_workloads_everywhere_and_no_other():
    made = plan(missing={"sysbench": ("no sysbench", "apt install sysbench")})
    assert {skip.family for skip in made.skips} == {"cpu", "memory"}
    assert not any("sysbench" in case.workload.programs for case in made.cases)
    assert "disk" in {case.workload.family for case in made.cases}


def test_keywords_select_by_name_and_family():
    made = plan(match=lambda names: "disk" in names)
    assert {case.workload.family for case in made.cases} == {"disk"}
    assert made.workloads("cold") == ()


def test_blocks_asked_for_are_estimated_by_what_cases_cost_before():
    seen = {f"{w.name}@{r}/{JOB_SECONDS:g}": 20.0 for w in WORKLOADS for r in ACCELERATORS}
    slow, usual = (plan("quick", blocks=7, seen=seen) for seen in (seen, None))
    assert slow.blocks == usual.blocks == 7
    assert slow.estimate_seconds > 7 * 20 > usual.estimate_seconds / 100


def test_the_second_measurement_of_the_base_is_estimated_where_it_is_measured():
    seen = {f"syscall@{key}/{JOB_SECONDS:g}": 20.0 for key in ("bare", "bare-again", "box")}
    for number, trials in ((19, 19 * 3), (21, 21 * 2 + 11)):
        made = plan(match=lambda names: "syscall" in names, blocks=number, keys=("bare", "box"), seen=seen)
        (unit,) = made.units()
        assert sum(len(made.block(unit, block)) for block in range(number)) == trials
        assert made.estimate_seconds == pytest.approx(20.0 * trials, rel=0.01)


def test_the_same_seed_gives_the_same_order_and_blocks_differ():
    made, again = plan(), plan()
    cpu = next(unit for unit in made.units() if unit.name == "cpu")
    assert made.block(cpu, 0) == again.block(cpu, 0)
    assert len({tuple(case.runner for case in made.block(cpu, number)) for number in range(12)}) > 3


def test_a_restricted_plan_keeps_base_and_control_for_the_ratios():
    made = plan().restricted({("cpu", "guest")})
    assert [(case.workload.name, case.runner) for case in made.cases] == [
        ("cpu", "bare"),
        ("cpu", "bare-again"),
        ("cpu", "guest"),
    ]


def test_the_control_is_in_half_of_the_blocks_unless_few_were_asked_for():
    def blocks_with_control(made, numbers=range(4)):
        cpu = next(unit for unit in made.units() if unit.name == "cpu")
        return [any(case.control for case in made.block(cpu, number)) for number in numbers]

    half = [True, True, False, False]
    assert blocks_with_control(plan()) == half
    assert blocks_with_control(plan(blocks=20)) == half
    for first in (0, 1):  # a workload's duets may have every other number, and its other blocks the rest
        assert sum(blocks_with_control(plan(), range(first, 40, 2))) == 10
    assert blocks_with_control(plan(blocks=19)) == [True] * 4
    assert blocks_with_control(replace(plan(), control_everywhere=True)) == [True] * 4
    assert blocks_with_control(plan(keys=("bare",))) == [True] * 4
