import pytest

from tare.bench.planning.allocation import Budget
from tare.bench.planning.estimates import Estimates
from tare.bench.planning.matrix import Selection, cross, make_plan
from tare.bench.planning.modes import MODES
from tare.bench.workloads import WORKLOADS
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
    budget = Budget(MODES[mode], Estimates(ACCELERATORS, seen or {}), blocks)
    return make_plan(cross(Selection(WORKLOADS, match, missing or {}), runners, probes), budget, 1)


@pytest.mark.parametrize("mode", MODES)
def test_the_estimate_keeps_to_the_budget_unless_the_least_number_of_blocks_exceeds_it(mode):
    made = plan(mode)
    at_least = MODES[mode].least_blocks
    assert made.estimate_seconds <= MODES[mode].budget_seconds * 1.05 or at_least in {
        made.cold.count,
        made.steady.count,
    }


def test_the_base_is_planned_twice():
    runners = [case.runner for case in plan().cases if case.workload.name == "cpu"]
    assert runners == ["bare", "bare-again", "box", "guest"]


def test_a_refusing_runner_becomes_a_skip_with_its_reason_and_remedy():
    made = plan(refusal=Probe(ok=False, reason="no QEMU", remedy="apt install it"))
    assert "guest" not in {case.runner for case in made.cases}
    assert {(s.runner, s.reason, s.remedy) for s in made.skips} == {
        ("guest(tcg)", "no QEMU", "apt install it")
    }
    assert len(made.skips) == len(WORKLOADS)


def test_a_missing_program_skips_its_workloads_everywhere_and_no_other():
    made = plan(missing={"fio": ("no fio", "apt install fio")})
    assert {skip.family for skip in made.skips} == {"disk"}
    assert "disk" not in {case.workload.family for case in made.cases}
    assert "cpu" in {case.workload.family for case in made.cases}


def test_keywords_select_by_name_and_family():
    made = plan(match=lambda names: "disk" in names)
    assert {case.workload.family for case in made.cases} == {"disk"}
    assert made.cold.count == 0


def test_blocks_asked_for_are_taken_exactly():
    made = plan("quick", blocks=7)
    assert (made.cold.count, made.steady.count) == (7, 7)


def test_every_round_has_the_same_number_of_blocks():
    made = plan("default")
    assert made.steady.count % made.rounds == 0


def test_what_cases_cost_before_decides_how_many_blocks_fit():
    slow = plan("default", seen={f"{w.name}@{r}/0.4": 20.0 for w in WORKLOADS for r in ACCELERATORS})
    assert slow.steady.count < plan("default").steady.count


def test_the_same_seed_gives_the_same_order_and_blocks_differ():
    made, again = plan(), plan()
    cpu = made.cases[3].workload
    assert made.block(cpu, 0) == again.block(cpu, 0)
    assert len({tuple(case.runner for case in made.block(cpu, number)) for number in range(12)}) > 3


def test_a_restricted_plan_keeps_base_and_control_for_the_ratios():
    made = plan().restricted({("cpu", "guest")})
    assert [(case.workload.name, case.runner) for case in made.cases] == [
        ("cpu", "bare"),
        ("cpu", "bare-again"),
        ("cpu", "guest"),
    ]


def test_where_guests_are_slow_the_others_get_more_blocks_in_every_round():
    seen = {f"{w.name}@guest/0.4": 3.0 for w in WORKLOADS} | {"open@guest": 2.0}
    made = plan("default", seen=seen)
    assert 0 < made.steady.full < made.steady.count
    cpu = next(case.workload for case in made.cases if case.workload.name == "cpu")
    taking_part = dict.fromkeys(ACCELERATORS, 0)
    for number in range(made.steady.count):
        for case in made.block(cpu, number):
            taking_part[case.runner] += 1
    assert taking_part["guest"] == made.steady.full
    assert taking_part["bare"] == taking_part["bare-again"] == taking_part["box"] == made.steady.count
    for number in range(made.rounds):
        with_guest = [
            any(c.runner == "guest" for c in made.block(cpu, block)) for block in made.round_of(number)
        ]
        assert with_guest == sorted(with_guest, reverse=True)
        assert with_guest[0]
    assert made.estimate_seconds <= MODES["default"].budget_seconds * 1.05


def test_without_slow_runners_every_block_is_full():
    assert plan("default", keys=("bare", "box")).steady.full is None
