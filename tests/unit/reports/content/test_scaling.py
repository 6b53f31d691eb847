"""The section and the figure on scaling, from trials with known speed-ups."""

import pytest
from msgspec.structs import replace

from support.figures import Seen
from support.synthetic import make_input
from tare.reports.content.page import Page
from tare.reports.content.sections import scaling as section
from tare.reports.plots import scaling as plot
from tare.reports.plots.canvas import NARROW, WIDE
from tare.reports.summaries import scaling
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.details import ScalingDetails
from tare.results.record import Metric, Trial


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
    for width in (WIDE, NARROW):
        drawn = plot.draw(summary, words("en"), width)
        assert drawn is not None
        assert Seen(drawn).outside() == []
    made = section.section(Page(summary, words("en")))
    assert made is not None
    table = made.body[-1]
    assert [row[4].text for row in table.rows] == ["1.00", "1.98", "1.00", "1.30"]
    assert section.section(Page(Summary(given), words("ko"))) is None
