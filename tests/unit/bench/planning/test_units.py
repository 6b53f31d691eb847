"""Streams: cheap runners together, each costly one with the base beside it."""

from dataclasses import dataclass
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from support.campaigns import Steady
from tare.bench.planning.case import Case
from tare.bench.planning.units import COLD_LOOSENESS, EMULATED_LOOSENESS, SHARED, units_of
from tare.bench.workloads.null import Null

KEYS = ("bare", "bare-again", "box", "guest", "other")
CHEAP = {"bare", "bare-again", "box"}


WORK = (Steady(),)


def units(workloads=WORK, keys=KEYS, cheap=CHEAP, *, together=False, counted=False):
    cases = [Case(one, key) for one in workloads for key in keys]
    return units_of(cases, cheap, together=together, counted=counted)


def shape(made):
    return [(unit.name, [case.runner for case in unit.cases], sorted(unit.kept)) for unit in made]


def test_costly_runners_are_streams_of_their_own_with_the_base_beside_them():
    assert shape(units()) == [
        ("work", ["bare", "bare-again", "box"], []),
        ("work@guest", ["bare", "guest"], ["guest"]),
        ("work@other", ["bare", "other"], ["other"]),
    ]


def test_where_the_number_of_blocks_is_asked_for_all_runners_share_a_stream():
    assert shape(units(counted=True)) == [("work", list(KEYS), ["guest", "other"])]


def test_the_control_is_beside_the_guest_where_nothing_cheap_is_compared():
    keys = ("bare", "bare-again", "guest")
    assert shape(units(keys=keys)) == [("work@guest", ["bare", "bare-again", "guest"], ["guest"])]


def test_the_base_alone_is_measured_against_itself():
    assert shape(units(keys=("bare", "bare-again"))) == [("work", ["bare", "bare-again"], [])]


@dataclass(frozen=True)
class Sharing(Steady):
    duet: ClassVar = "one"


def test_cheap_places_that_can_share_a_cpu_have_a_unit_for_each_answer():
    made = units((Sharing(),))
    assert [(unit.name, sorted(unit.answers)) for unit in made] == [
        ("work", ["time"]),
        ("work (duet)", ["cpu"]),
        ("work@guest", ["cpu", "time"]),
        ("work@other", ["cpu", "time"]),
    ]
    assert made[0].cases == made[1].cases
    assert [unit.has_duet for unit in made] == [True, False, False, False]


def test_no_duets_where_nothing_is_compared_or_the_number_of_blocks_was_asked_for():
    assert not any(unit.duet for unit in units((Sharing(),), ("bare", "bare-again")))
    assert not any(unit.duet for unit in units((Sharing(),), counted=True))
    assert not any(unit.duet for unit in units((Sharing("base"), Steady("head")), together=True))


def test_versions_share_blocks_and_need_no_base_beside_a_guest():
    made = units((Steady("base"), Steady("head")), ("bare", "bare-again", "guest"), together=True)
    assert shape(made) == [
        ("base+head", ["bare", "bare-again"] * 2, []),
        ("base+head@guest", ["guest", "guest"], ["guest"]),
    ]


def test_variants_of_a_costly_runner_are_one_stream():
    keys = ("runc@base", "runc@base-again", "runc@head", "guest@base", "guest@base-again", "guest@head")
    made = units(keys=keys, cheap=set(keys[:3]))
    assert shape(made) == [("work", list(keys[:3]), []), ("work@guest", list(keys[3:]), sorted(keys[3:]))]


def test_places_of_cold_starts_stay_open_for_nobody():
    assert [unit.visiting for unit in units((Null(), Steady()))] == [False] * 3 + [False, True, True]


@given(st.sets(st.sampled_from(KEYS)), st.booleans(), st.booleans())
def test_every_case_is_in_a_unit_and_only_the_base_is_in_several(cheap, together, counted):
    made = units((Null(), Steady("a"), Steady("b")), cheap=cheap | {"bare", "bare-again"}, together=together,
                 counted=counted)  # fmt: skip
    cases = [case for unit in made for case in unit.cases]
    assert {(case.workload.name, case.runner) for case in cases} == {
        (name, key) for name in ("null", "a", "b") for key in KEYS
    }
    several = {case for case in cases if cases.count(case) > 1}
    assert {case.runner for case in several} <= {"bare", "bare-again"}
    assert len({unit.name for unit in made}) == len(made)
    assert all(unit.stream == SHARED for unit in made) or not counted


def test_the_precision_that_is_aimed_at_depends_on_what_is_measured_alone():
    cases = [Case(one, key) for one in (Null(), Steady()) for key in KEYS]
    made = units_of(cases, CHEAP, emulated={"guest"}, together=False, counted=False)
    assert {unit.name: unit.looseness for unit in made} == {
        "null": COLD_LOOSENESS,
        "null@guest": EMULATED_LOOSENESS,
        "null@other": COLD_LOOSENESS,
        "work": 1.0,
        "work@guest": EMULATED_LOOSENESS,
        "work@other": 1.0,
    }
