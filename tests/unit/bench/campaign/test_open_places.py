import pytest

from support.campaigns import Telling, make_provisioned, make_recorder
from tare.bench.campaign.failures import Failures
from tare.bench.campaign.open_places import OpenPlaces
from tare.runners.errors import PlaceFailure
from tare.runners.fake import FakeClock, FakeRunner


def make(**box):
    clock, progress = FakeClock(), Telling()
    runners = {"bare": FakeRunner("bare", clock=clock), "box": FakeRunner("box", clock=clock, **box)}
    kept = []
    recorder = make_recorder(kept.append, progress=progress)
    recorder.invocation = 4
    places = OpenPlaces(make_provisioned(runners), recorder, Failures("failed openings", progress.say))
    return places, runners, progress


def test_a_place_is_opened_once_and_kept_until_it_is_closed():
    places, runners, _ = make()
    with places:
        first = places.get("box")
        assert places.get("box") is first
        places.close("box")
        assert places.get("box").invocation == first.invocation + 1
    assert runners["box"].openings == 2
    assert first.invocation == 4


def test_the_control_has_a_place_of_its_own_made_by_the_base():
    places, runners, _ = make()
    with places:
        places.open("bare")
        places.open("bare-again")
        assert places.keys == {"bare", "bare-again"}
        assert runners["bare"].open_places == 2


def test_leaving_closes_everything_on_any_way_out():
    places, runners, _ = make()

    def interrupted():
        with places:
            for key in ("bare", "bare-again", "box"):
                places.open(key)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not any(runner.open_places for runner in runners.values())


def test_a_failed_opening_is_returned_and_counted_and_may_succeed_later():
    places, _, progress = make(open_failures={0: "no luck", 1: "no luck", 3: "no luck"})
    with places:
        failure = places.get("box")
        assert isinstance(failure, PlaceFailure)
        assert failure.reason == "no luck"
        assert places.keys == set()
        places.get("box")
        assert progress.lines == ["box: given up after 2 failed openings in a row: no luck"]
        assert places.get("box").invocation == 6
    assert list(places.recorder.costs.seconds) == ["open@box"]


def test_the_number_of_an_opening_is_known_while_the_place_is_open():
    places, _, _ = make()
    with places:
        assert places.opening("box") is None
        assert places.opening("box") is None
        places.open("box")
        assert places.opening("box") == 4
        places.close("box")
        assert places.opening("box") is None
