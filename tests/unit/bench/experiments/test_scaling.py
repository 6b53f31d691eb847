"""`scale-N`: N threads against one."""

import pytest

from support.stub import Stub
from tare.bench.experiments.base import Lab
from tare.bench.experiments.scaling import COUNTS, SCALES, Scale
from tare.bench.measurable import CrowdSettings, Terms, Unsuitable
from tare.results.record import Metric
from tare.runners.fake import FakeRunner
from tare.runners.model import Limits

LIMITS = Limits(cpus=2, memory_bytes=64 << 20)


def by_count(count: int) -> Scale:
    return SCALES[COUNTS.index(count)]


@pytest.fixture
def rates(monkeypatch):
    """Rates that jobs reach, one after the other, and how many threads each had."""
    given, seen = [], []

    def rate(self, _lab, _place, work):
        seen.append(self.count if work.all_cpus else 1)
        return Metric(name="r", value=given.pop(0), unit="ops/s", direction="higher", samples=9)

    monkeypatch.setattr(Scale, "_rate", rate)
    return given, seen


def lab(runner=None):
    return Lab(
        runner or FakeRunner("a"),
        Stub(),
        LIMITS,
        None,
        None,
        CrowdSettings(),
        0.1,
        lambda _line: None,
    )


def test_neighbours_in_one_place_give_the_speed_up(rates):
    rates[0].extend([100.0, 150.0])
    found = {metric.name: metric for metric in by_count(2).perform(lab()).metrics}
    assert rates[1] == [1, 2]
    assert found["scaling.speedup"].value == 1.5
    assert (found["scaling.rate"].value, found["scaling.rate"].primary) == (150.0, True)
    assert found["scaling.rate_of_one"].value == 100.0


def test_one_thread_is_measured_once(rates):
    rates[0].append(100.0)
    found = {metric.name: metric.value for metric in by_count(1).perform(lab()).metrics}
    assert found["scaling.speedup"] == 1.0
    assert rates[1] == [1]


def test_more_threads_than_cpus_are_a_skip():
    by_count(2).admit(FakeRunner("a"), Terms(LIMITS))
    with pytest.raises(Unsuitable, match="more threads than the 2 CPUs"):
        by_count(4).admit(FakeRunner("a"), Terms(LIMITS))


@pytest.mark.parametrize(("vcpus", "fits"), [(1, False), (2, True), ("unknown", True)])
def test_a_variants_vcpus_are_what_counts_if_they_are_known(rates, monkeypatch, vcpus, fits):
    rates[0].extend([100.0, 150.0])
    runner = FakeRunner("a")
    opened = runner.open

    def with_vcpus(first=None):
        place = opened(first)
        place.context = {**place.context, "vcpus": vcpus}
        return place

    monkeypatch.setattr(FakeRunner, "open", lambda _self, first=None: with_vcpus(first))
    if fits:
        assert by_count(2).perform(lab(runner)).context["vcpus"] == vcpus
    else:
        with pytest.raises(Unsuitable, match="the 1 CPU that"):
            by_count(2).perform(lab(runner))
