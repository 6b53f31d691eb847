import pytest

from support.stub import Stub
from tare.bench.tools.guest_profiles import CONFIGURATIONS, OURS, STRAIGHTFORWARD, Candidate, ratios, table
from tare.runners.registry import check


def candidate(name, *starts, **changes):
    runner = Stub(name=name, label=f"{name}(tcg)")
    return Candidate(name, runner, starts=list(starts), **changes)


def test_all_configurations_are_runners_by_their_right_names():
    assert check(CONFIGURATIONS)[1:] == CONFIGURATIONS


@pytest.mark.parametrize(("others", "met"), [(2.0, True), (1.25, False)])
def test_the_ratio_is_taken_inside_the_rounds_and_one_has_a_target(others, met):
    drift = (1, 2, 3, 4, 5, 6, 7)
    found = [
        candidate(OURS, *drift),
        candidate(STRAIGHTFORWARD, *(others * one for one in drift)),
        candidate("qemu-pc", *(4 * one for one in drift)),
    ]
    compared = ratios(found)
    assert compared[STRAIGHTFORWARD].value == pytest.approx(1 / others)
    assert compared[STRAIGHTFORWARD].met is met
    assert compared["qemu-pc"].met
    assert ("MISSED" in "\n".join(table(found, compared))) is not met


def test_too_few_rounds_say_nothing_about_a_target():
    found = [candidate(OURS, 2.0), candidate(STRAIGHTFORWARD, 1.0)]
    compared = ratios(found)
    assert compared[STRAIGHTFORWARD].met
    assert "too few rounds" in "\n".join(table(found, compared))


def test_what_is_skipped_or_fails_is_told():
    found = [candidate(OURS, 1.0), candidate("a", skipped="no tap"), candidate("b", 1.0, failed="it hangs")]
    lines = table(found, ratios(found))
    assert any("skipped: no tap" in line for line in lines)
    assert any("FAILED: it hangs" in line for line in lines)
    assert all("(tcg)" in line for line in lines[1:])
