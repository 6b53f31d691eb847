"""`scale-N`: N threads against one, from the experiment to the page."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from support.synthetic import make_input
from tare.bench.experiments.base import Lab
from tare.bench.experiments.scaling import COUNTS, SCALES, Scale
from tare.bench.measurable import CrowdSettings, Terms, Unsuitable
from tare.reports.content.page import Page
from tare.reports.content.sections import scaling as section
from tare.reports.plots import scaling as plot
from tare.reports.plots import style
from tare.reports.summaries import scaling
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.details import ScalingDetails
from tare.results.record import Metric, Trial
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
        SimpleNamespace(),
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


def trial(number: int, runner: str, count: int, rate: float, speedup: float) -> Trial:
    values = (("scaling.rate", rate, "ops/s"), ("scaling.speedup", speedup, "ratio"))
    metrics = tuple(
        Metric(name=name, value=value, unit=unit, direction="higher", primary=name == "scaling.rate")
        for name, value, unit in values
    )
    return Trial(
        run="r", number=number, workload=f"scale-{count}", family="scaling", runner=runner, block=number,
        accelerator="none", outcome="ok", metrics=metrics, details=ScalingDetails(threads=count),
    )  # fmt: skip


TRIALS = (
    trial(0, "qemu-q35", 2, 120.0, 1.2),
    trial(1, "qemu-q35", 2, 140.0, 1.4),
    trial(2, "qemu-q35", 1, 100.0, 1.0),
    trial(3, "bare", 1, 100.0, 1.0),
    trial(4, "bare", 2, 198.0, 1.98),
)


def test_speed_ups_are_medians_in_the_order_of_threads():
    summary = Summary(replace(make_input(blocks=2), trials=TRIALS))
    found = scaling.thread_scaling(summary)
    assert list(found) == ["bare", "qemu-q35"]
    assert [(p.count, p.speedup) for p in found["qemu-q35"]] == [(1, 1.0), (2, pytest.approx(1.3))]
    assert found["bare"][1].efficiency == pytest.approx(0.99)


def test_the_page_has_figure_and_table():
    given = make_input(blocks=2)
    summary = Summary(replace(given, trials=(*given.trials, *TRIALS)))
    with style.styled():
        assert plot.draw(summary, words("en")) is not None
    made = section.section(Page(summary, words("en")))
    assert made is not None
    table = made.body[-1]
    assert [row[4].text for row in table.rows] == ["1.00", "1.98", "1.00", "1.30"]
    assert section.section(Page(Summary(given), words("ko"))) is None
