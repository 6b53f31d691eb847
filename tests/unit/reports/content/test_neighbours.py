"""Slowdowns beside neighbours and the shapes of an application: a row for each, with intervals, in page and terminal."""

import re

import pytest
from msgspec.structs import replace

from support.results_making import metric, trial
from support.synthetic import empty_input
from tare.reports.content.nodes import Table
from tare.reports.content.page import Page
from tare.reports.content.sections import neighbours, services
from tare.reports.model import LANGUAGES
from tare.reports.render import terminal
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words

WAYS = ("throughput.apart", "throughput.shared", "latency.apart", "latency.shared")


def beside(stressor, runner, slowdown, block, neighbour=""):
    values = [metric(slowdown * (1 + block / 100), name=f"neighbours.{name}") for name in WAYS]
    return trial(
        block, *values, workload=f"neighbours-{stressor}" + (f"-in-{neighbour}" if neighbour else ""),
        family="neighbour-pairs" if neighbour else "neighbours",
        runner=runner, block=block, parameters={"stressor": stressor, **({"neighbour": neighbour} if neighbour else {})},
    )  # fmt: skip


def given(trials):
    return replace(empty_input(), trials=tuple(trials))


def page(trials, language="en"):
    return Page(Summary(given(trials)), words(language))


def table(section):
    return next(node for node in section.body if isinstance(node, Table))


TRIALS = [
    beside(*one, block)
    for block in range(8)
    for one in (("cpu", "bare", 1.0), ("cpu", "namespaces", 1.1), ("disk", "namespaces", 3.0))
]
PAIR = [beside("cpu", "namespaces", 2.0, block, "qemu-microvm") for block in range(8)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_stressor_has_a_row_for_each_pair_of_runners_with_intervals(language):
    made = table(neighbours.section(page([*TRIALS, *PAIR], language)))
    assert [(row[0].text, row[1].text) for row in made.rows] == [
        ("cpu", "bare"), ("cpu", "namespaces"), ("cpu", "namespaces"), ("disk", "namespaces")
    ]  # fmt: skip
    assert made.rows[2][2].text == "qemu-microvm"
    assert made.breaks == (3,)
    slowdown = made.rows[3][4]
    assert slowdown.low is not None
    assert slowdown.high is not None
    assert slowdown.low < slowdown.value < slowdown.high
    assert slowdown.value == pytest.approx(3.1, abs=0.05)


def test_the_terminal_has_a_matrix_of_runners_and_stressors():
    made = table(neighbours.short(page([*TRIALS, *PAIR])))
    assert made.columns[1:] == ("cpu", "disk")
    assert [row[0].text for row in made.rows] == ["bare", "namespaces", "namespaces / qemu-microvm"]
    assert made.rows[0][2].value is None
    text = terminal.render(given([*TRIALS, *PAIR]))
    assert re.search("^Runner +cpu +disk$", text, re.MULTILINE)
    assert "namespaces / qemu-microvm" in text
    assert "3.11× (" in text or "3.10× (" in text


def test_one_trial_has_no_interval_and_nothing_measured_no_section():
    (row,) = table(neighbours.section(page(TRIALS[:1]))).rows
    assert (row[4].low, row[4].detail) == (None, "")
    assert neighbours.section(page([])) is None
    assert neighbours.short(page([])) is None
    assert services.section(page([])) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_shapes_have_a_row_for_each_runner_and_a_dash_for_what_they_lack(language):
    one = {"app.max.rate": 9e3, "services.replica": 0.1}
    three = {**one, "services.hop": 1e-5, "services.replace.failed": 0.0}
    trials = [
        trial(
            0, *(metric(value, name=name) for name, value in found.items()), workload=workload, family="services",
            runner=runner,
        )
        for workload, found in (("services-one", one), ("services-places", three))
        for runner in ("namespaces", "bare")
    ]  # fmt: skip
    made = table(services.section(page(trials, language)))
    assert [(row[0].text, row[1].text) for row in made.rows] == [
        ("services-one", "bare"), ("services-one", "namespaces"),
        ("services-places", "bare"), ("services-places", "namespaces"),
    ]  # fmt: skip
    lost = len(made.columns) - 1
    assert (made.rows[0][lost].value, made.rows[2][lost].value) == (None, 0.0)
