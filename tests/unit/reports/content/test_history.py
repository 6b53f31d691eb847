"""Charts of a history: one for the runners of a workload, but for those that no scale shows beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.history import PastRun, PastSeries, sections
from tare.reports.content.nodes import Charts, Table
from tare.reports.text.words import words

if TYPE_CHECKING:
    from tare.reports.content.nodes import Node


def series(runner: str, level: float, case: str = "start-up") -> PastSeries:
    runs = tuple(
        PastRun(f"run-{n}", "", 86400.0 * n, "", level, level * 0.9, level * 1.1, 12, "") for n in range(8)
    )
    return PastSeries(case, "wall", "s", runner, "#000000", runs)


def nodes(*found: PastSeries) -> list[Node]:
    return [node for section in sections(found, (), words("en")) for node in section.body]


def charts(*found: PastSeries) -> Charts:
    return next(node for node in nodes(*found) if isinstance(node, Charts))


def shown(*found: PastSeries) -> list[list[str]]:
    return [[line.label for line in chart.lines] for chart in charts(*found).items]


def test_runners_of_one_level_are_in_one_chart() -> None:
    assert shown(series("bare", 1.0), series("namespaces", 1.2)) == [["bare", "namespaces"]]
    assert shown(series("bare", 0.0), series("namespaces", 0.0)) == [["bare", "namespaces"]]


def test_runners_far_above_the_others_have_a_chart_of_their_own() -> None:
    found = (series("guest", 40.0), series("bare", 1.0), series("q35", 48.0), series("namespaces", 1.2))
    assert shown(*found) == [["bare", "namespaces"], ["guest", "q35"]]


def test_a_row_leads_to_the_chart_that_shows_its_series() -> None:
    found = (series("bare", 1.0), series("guest", 40.0), series("bare", 3.0, "other"))
    keys = [chart.key for chart in charts(*found).items]
    assert len(set(keys)) == 3
    table = next(node for node in nodes(*found) if isinstance(node, Table))
    assert [row[0].link for row in table.rows] == keys
