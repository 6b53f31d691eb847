from msgspec.structs import replace

from support import synthetic
from tare.reports.content.nodes import Table
from tare.reports.content.page import Page
from tare.reports.content.sections import engines
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.record import Metric, Trial


def start(number, runner, **milliseconds):
    metrics = tuple(
        Metric(name=name.replace("_", "."), value=value / 1e3, unit="s", direction="lower")
        for name, value in milliseconds.items()
    )
    return Trial(
        run="r", number=number, workload="null", family="startup", runner=runner, accelerator="none",
        block=0, outcome="ok", metrics=metrics,
    )  # fmt: skip


def page(*trials):
    given = replace(synthetic.empty_input(), trials=trials)
    return Page(Summary(given), words("en"))


def test_engines_tell_what_they_know_in_medians():
    made = engines.section(
        page(
            start(0, "docker", engine_create=30, engine_start=200, engine_cpu=250, launch_total=400),
            start(1, "docker", engine_create=50, engine_start=300, engine_cpu=350, launch_total=500),
            start(2, "docker", engine_create=40, launch_total=450),
            start(3, "podman:none", engine_create=100, engine_settle=5, launch_total=300),
            start(4, "runc", launch_total=80),
        )
    )
    (table,) = [node for node in made.body if isinstance(node, Table)]
    assert table.columns == ("Runner", "Create", "Start", "Settle", "End to end", "Engine’s CPU time")
    rows = {row[0].text: [cell.value for cell in row[1:]] for row in table.rows}
    assert rows == {
        "podman:none": [0.1, None, 0.005, 0.3, None],
        "docker": [0.04, 0.25, None, 0.45, 0.3],
    }


def test_without_engines_there_is_nothing_to_tell():
    assert engines.section(page(start(0, "runc", launch_total=80))) is None
