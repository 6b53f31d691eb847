"""The section on limits and its fairness notes."""

import msgspec
import pytest
from msgspec.structs import replace

from support.synthetic import make_input
from tare.reports.content.page import Page
from tare.reports.content.sections import limits as section
from tare.reports.content.sections import notes
from tare.reports.model import LANGUAGES, ReportInput
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.environment import LimitsSeen, MemoryProbe, PidsProbe
from tare.runners.model import Limits

ASKED = Limits(cpus=1, memory_bytes=256 << 20, pids=512)
GOOD = LimitsSeen(
    cpus=(0,),
    memory_seen_bytes=240 << 20,
    cgroup_files={},
    guest=False,
    memory=MemoryProbe(end="killed", reached_bytes=255 << 20, by="killed by the memory limit of 256 MiB"),
    pids=PidsProbe(end="refused", reached=509, asked=512),
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_has_the_table_and_the_notes(language):
    given = make_input()
    about = msgspec.structs.replace(
        given.manifest,
        context={"limits": msgspec.to_builtins(ASKED)},
        limits={
            "bare": GOOD,
            "namespaces": replace(
                GOOD, verified="2026-01-01T00:00:00+00:00", pids=PidsProbe(end="held", asked=512, reached=528)
            ),
        },
    )
    page = Page(Summary(ReportInput(about, given.trials, given.comparisons)), words(language))
    made = section.section(page)
    (table,) = [node for node in made.body if hasattr(node, "rows")]
    assert [row[0].text for row in table.rows] == ["bare", "namespaces"]
    assert table.rows[1][5].kind == "worse"
    assert "namespaces (2026-01-01 00:00:00 UTC)" in made.body[2].text
    assert "bare (" not in made.body[2].text
    said = notes.section(page).body[-1]
    assert said.items[0].text.endswith("(namespaces)")


def test_without_a_look_there_is_no_section():
    assert section.section(Page(Summary(make_input()), words("en"))) is None
