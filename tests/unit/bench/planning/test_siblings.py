"""Runners made beside those of the run: once each, refused with the reason, closed with the run."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from support.stub import Stub
from tare.bench.planning.siblings import Siblings
from tare.runners.context import RunContext, Supplies
from tare.runners.errors import Missing, PlaceFailure
from tare.runners.fake import FakeRunner
from tare.runners.model import Limits, Probe
from tare.runners.settings import RunnerSettings
from tare.runners.undoing import UndoLog

LIMITS = Limits(1, 1 << 30)
IMAGE = Stub(key="k")


@pytest.fixture
def made():
    return []


def siblings(made, **options):
    def make(name, _supplies):
        made.append(FakeRunner(name, **options))
        return made[-1]

    context = RunContext("r", Path("/w/tare-r"), Path("/c"), Stub(), undo_log=UndoLog())
    return Siblings(Supplies(context, Stub(), RunnerSettings()), make, lambda *_words: nullcontext())


def test_each_is_made_once_and_for_limits_of_its_own_again(made):
    some = siblings(made)
    assert some.get("a", IMAGE, LIMITS) is some.get("a", IMAGE, LIMITS)
    some.get("a", IMAGE, Limits(2, 1 << 30))
    assert [runner.prepared for runner in made] == [True, True]
    some.close()
    assert [runner.prepared for runner in made] == [False, False]
    some.get("a", IMAGE, LIMITS)
    assert len(made) == 3


def test_a_refusal_is_remembered_with_its_remedy(made):
    some = siblings(made, refusal=Probe(ok=False, reason="no.", remedy="yes."))
    for _ in range(2):
        with pytest.raises(Missing, match=r"no\. yes\."):
            some.get("a", IMAGE, LIMITS)
    assert len(made) == 1


def test_a_runner_that_cannot_be_prepared_is_closed(made, monkeypatch):
    def fail(*_arguments):
        raise PlaceFailure("broken", remedy="mend it")

    monkeypatch.setattr(FakeRunner, "prepare", fail)
    with pytest.raises(Missing, match="broken; mend it"):
        siblings(made).get("a", IMAGE, LIMITS)
    assert made[0].log == ["probe", "close"]


def test_there_are_none_beside_a_variant_of_a_comparison(made):
    with pytest.raises(Missing, match="variant of a comparison"):
        siblings(made).get("a@head", IMAGE, LIMITS)
    assert not made


def test_an_experiments_image_is_built_once(made):
    some, built = siblings(made), []

    def build():
        built.append(Stub(key="own"))
        return built[-1]

    assert some.image("a", build) is some.image("a", build)
    some.image("b", build)
    assert len(built) == 2
