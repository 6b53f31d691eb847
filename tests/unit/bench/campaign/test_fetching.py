"""What runners need is fetched while the image is made; what cannot be had is the runners' to tell."""

import threading

import pytest

from tare.bench.campaign.fetching import fetched_meanwhile
from tare.runners.errors import Missing


class Needy:
    def __init__(self, *fetches):
        self.fetches = lambda: fetches


def test_fetching_goes_on_beside_other_work_and_is_waited_for():
    begun, go_on, done = threading.Event(), threading.Event(), []

    def fetch():
        begun.set()
        assert go_on.wait(10)
        done.append(threading.current_thread())

    with fetched_meanwhile([object(), Needy(fetch)]):
        assert begun.wait(10)
        assert not done
        go_on.set()
    assert done
    assert done != [threading.main_thread()]


def test_what_cannot_be_had_is_not_told_here_and_holds_back_nothing():
    def missing():
        raise Missing("the mirror is gone.", "Connect it.")

    done = []
    with fetched_meanwhile([Needy(missing), Needy(lambda: done.append(1))]):
        pass
    assert done == [1]


def test_after_an_interruption_nothing_else_is_begun():
    begun, interrupted, after = threading.Event(), threading.Event(), []

    def first():
        begun.set()
        assert interrupted.wait(10)

    def measure():
        with fetched_meanwhile([Needy(first, lambda: after.append(1))]):
            assert begun.wait(10)
            threading.Timer(0.05, interrupted.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure()
    assert not after
    assert not [one for one in threading.enumerate() if one.name == "fetching"]
