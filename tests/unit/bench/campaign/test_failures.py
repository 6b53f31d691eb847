from hypothesis import given
from hypothesis import strategies as st

from tare.bench.campaign.failures import GIVE_UP_AFTER, Failures
from tare.runners.errors import PlaceFailure


def make(what="failed openings"):
    told = []
    return Failures(what, told.append), told


def test_nothing_is_given_up_before_it_failed_so_often_in_a_row():
    failures, told = make()
    for number in range(GIVE_UP_AFTER):
        assert not failures.why_given_up("box")
        failures.failed("box", PlaceFailure(f"luck {number}"))
    assert failures.why_given_up("box")
    assert len(told) == 1


def test_the_reason_names_what_failed_and_the_last_failure():
    failures, told = make("failures")
    for number in range(GIVE_UP_AFTER):
        failures.failed("pair@box", PlaceFailure(f"luck {number}"))
    last = f"luck {GIVE_UP_AFTER - 1}"
    in_a_row = f"given up after {GIVE_UP_AFTER} failures in a row"
    assert failures.why_given_up("pair@box") == f"{in_a_row}, the last one because: {last}"
    assert told == [f"pair@box: {in_a_row}: {last}"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans())))
def test_a_key_is_given_up_if_and_only_if_its_own_failures_came_in_a_row(events):
    failures, _ = make()
    for key, good in events:
        if good:
            failures.succeeded(key)
        else:
            failures.failed(key, PlaceFailure("no luck"))
    for key in "ab":
        own = "".join("." if good else "F" for name, good in events if name == key)
        assert bool(failures.why_given_up(key)) == ("F" * GIVE_UP_AFTER in own)
