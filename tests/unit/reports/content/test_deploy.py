"""The section on deployment: ways, layers and reads, from trials with known sizes and times."""

import pytest
from msgspec.structs import replace

from support import synthetic
from tare.reports.content.nodes import Table
from tare.reports.content.page import Page
from tare.reports.content.sections import deploy as section
from tare.reports.model import LANGUAGES
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.details import DeployDetails, ImageRead, LayerSizes
from tare.results.record import Metric, Trial

LAYERS = {
    "1": (
        LayerSizes(
            name="base", digest="sha256:" + "a" * 64, files=2, size_bytes=100, tar_bytes=200, gzip_bytes=50
        ),
    ),
    "2": (
        LayerSizes(
            name="base", digest="sha256:" + "a" * 64, files=2, size_bytes=100, tar_bytes=200, gzip_bytes=50
        ),
        LayerSizes(
            name="top", digest="sha256:" + "b" * 64, files=1, size_bytes=10, tar_bytes=20, gzip_bytes=5
        ),
    ),
}


def trial(number, total, size, runner="namespaces", **details):
    values = {
        "deploy.layers-empty.total": (total, "s"),
        "deploy.layers-empty.compressed": (size, "bytes"),
        "deploy.layers-empty.moved": (2 * size, "bytes"),
        "deploy.read": (30.0, "bytes"),
        "deploy.image": (120.0, "bytes"),
    }
    metrics = tuple(
        Metric(name=name, value=value, unit=unit, direction="lower") for name, (value, unit) in values.items()
    )
    return Trial(
        run="r", number=number, workload="deploy-static", family="deploy", runner=runner, accelerator="none",
        block=number, outcome="ok", metrics=metrics, details=DeployDetails(**details),
    )  # fmt: skip


TRIALS = (
    trial(0, 1.0, 1_250_000, layers=LAYERS, read=ImageRead(method="page cache")),
    trial(1, 2.0, 12_500_000),
    trial(2, 3.0, 1_250_000, runner="bare"),
)


def tables(language="en", trials=TRIALS):
    made = section.section(Page(Summary(replace(synthetic.empty_input(), trials=trials)), words(language)))
    return [node for node in made.body if isinstance(node, Table)] if made else []


def test_time_over_a_line_is_computed_from_the_bytes():
    found = section.metrics(TRIALS[:2])
    assert section.computed(found, "layers-empty", 100e6) == pytest.approx([1.1, 3.0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_way_has_a_row_with_the_median_of_its_trials(language):
    ways = tables(language)[0]
    assert [row[1].text for row in ways.rows] == ["bare", "namespaces"]
    assert ways.keys == tuple(
        f"deploy-static|{name}|deploy.layers-empty.total" for name in ("bare", "namespaces")
    )
    assert ways.rows[1][7].value == pytest.approx(1.5)
    assert (ways.rows[1][7].low, ways.rows[1][7].high) == (1.0, 2.0)


def test_a_layer_of_both_versions_is_listed_once():
    layers = tables()[1]
    assert [(row[1].text, row[2].text) for row in layers.rows] == [("base", "1"), ("top", "2")]


def test_the_share_that_is_read_before_the_first_answer():
    read = tables()[2]
    assert [row[4].value for row in read.rows] == [25.0, 25.0]
    assert read.rows[1][5].text == "page cache"


def test_without_deployments_there_is_no_section():
    assert tables(trials=()) == []
