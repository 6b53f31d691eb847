"""Order and colours of runners: the base first, kinds as the registry has them, all others by name."""

import pytest

from tare.bench.analysis.styles import runner_styles
from tare.reports.model import RunnerStyle
from tare.reports.summaries.runners import CONTROL_COLOR, RunnerDisplay
from tare.results.record import BASE, CONTROL
from tare.runners.registry import by_display_order

STYLES = {
    "light": RunnerStyle("#111111", ("low", "+high", "")),
    BASE: RunnerStyle("#222222"),
    "guest": RunnerStyle("#333333"),
}
DISPLAY = RunnerDisplay(STYLES)
IN_ORDER = [
    BASE,
    CONTROL,
    f"{BASE}@head",
    "light:low",
    "light:+high",
    "light",
    "light:other",
    "guest(tcg)",
    "guest:x(tcg)",
    "a-new-one",
    "imported",
]


def test_runners_are_ordered():
    backwards = IN_ORDER[::-1]
    assert sorted(backwards, key=DISPLAY.rank) == IN_ORDER


def test_the_base_is_first_even_without_styles():
    assert sorted(["a", CONTROL, BASE], key=RunnerDisplay({}).rank) == [BASE, CONTROL, "a"]


@pytest.mark.parametrize("label", ["light", "light:low", "light:+high(tcg)", "light(tcg)"])
def test_a_runner_has_the_colour_of_its_kind(label):
    assert DISPLAY.color(label) == "#111111"


def test_a_runner_without_a_style_has_one_colour_that_depends_on_its_name_alone():
    assert DISPLAY.color("imported") == RunnerDisplay({}).color("imported")
    assert DISPLAY.color("guest@base") != DISPLAY.color("guest@head"), (
        "two sides of one runner are told apart"
    )


def test_reports_show_runners_as_the_registry_lists_them():
    styles = runner_styles()
    assert {name: style.color for name, style in styles.items()} == {
        r.name: r.color for r in by_display_order()
    }
    assert list(styles) == [row.name for row in by_display_order()]
    assert CONTROL_COLOR not in {style.color for style in styles.values()}


def test_variants_follow_the_plain_runner_unless_that_is_one_of_them():
    rank = RunnerDisplay(runner_styles()).rank
    for labels in (
        ["docker", "docker:none", "docker:bridge"],
        ["namespaces:chroot", "namespaces:+pid", "namespaces", "namespaces:privileged"],
    ):
        backwards = labels[::-1]
        assert sorted(backwards, key=rank) == labels
