"""The jobs of a block are kept on one CPU: all of them, or none."""

import os
from typing import Any

import pytest

from support.stub import Stub
from tare.bench.campaign import pinning
from tare.bench.campaign.pinning import pin, pin_alike
from tare.runners.errors import PlaceFailure
from tare.runners.model import Vantage


def test_the_agent_is_pinned_and_what_cannot_be_seen_is_refused():
    before = os.sched_getaffinity(0)
    try:
        pin(Stub(vantage=Vantage(top_pid=os.getpid())), frozenset({min(before)}))
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)
    for vantage in (Vantage(top_pid=0), Vantage(top_pid=os.getpid(), vmm=True)):
        with pytest.raises(PlaceFailure, match="pinned"):
            pin(Stub(vantage=vantage), frozenset({0}))


def test_all_places_of_a_block_are_pinned_or_none(monkeypatch):
    seen: list[Any] = []
    bare: Any = "bare"
    box: Any = "box"
    guest: Any = "guest"

    def some(place, cpus):
        if place == "guest":
            raise PlaceFailure("cannot be pinned")
        seen.append((place, cpus))

    monkeypatch.setattr(pinning, "pin", some)
    one, both = frozenset({1}), frozenset({0, 1})
    assert pin_alike([bare, box], one, both)
    assert seen == [("bare", one), ("box", one)]
    seen.clear()
    assert not pin_alike([bare, guest, box], one, both)
    assert seen == [("bare", one), ("bare", both), ("box", both)]
