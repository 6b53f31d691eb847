"""The search for garbage is paused, and goes on only if it was on."""

import gc

import pytest

from tare.results.garbage import no_collection


@pytest.mark.parametrize("on", [True, False])
def test_the_search_is_paused_and_then_as_before(on):
    was_on = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        with no_collection():
            within = gc.isenabled()
        assert (within, gc.isenabled()) == (False, on)
    finally:
        (gc.enable if was_on else gc.disable)()


def test_the_next_search_does_not_go_through_what_was_made_meanwhile():
    with no_collection():
        made = [[] for _ in range(10)]
    young = {id(one) for one in gc.get_objects(generation=0)}
    assert not young & {id(one) for one in made}


@no_collection()
def write_to_a_full_disk():
    raise OSError("disk is full")


def test_the_search_goes_on_after_an_error():
    was_on = gc.isenabled()
    with pytest.raises(OSError, match="disk is full"):
        write_to_a_full_disk()
    assert gc.isenabled() is was_on
