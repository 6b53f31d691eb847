import pytest
from msgspec.structs import replace

from support import synthetic
from tare.reports.content.nodes import Details, Table
from tare.reports.content.page import Page
from tare.reports.content.sections import isolation
from tare.reports.render.markdown import render as markdown
from tare.reports.summaries.run import Summary
from tare.reports.text.words import words
from tare.results.details import Attempt, IsolationDetails
from tare.results.record import Trial
from tare.runners.inside.attempts import SCOPES

FACTS: dict[str, str | int] = {
    "kernel.boot_id": "one",
    "cpu.features": "avx fpu sse2",
    "capabilities.bounding": "all",
    "cpu.seen": 2,
}


def trial(number, runner, verdict, *, same_kernel=True, control=False, outcome="ok", **facts):
    attempts = tuple(Attempt(name=name, verdict=verdict, error="EPERM", tried="x") for name in SCOPES)
    return Trial(
        run="r", number=number, workload="isolation", family="isolation", runner=runner, accelerator="none", block=0,
        outcome=outcome, control=control,
        details=IsolationDetails(
            attempts=attempts, fingerprint={**FACTS, **facts}, same_kernel=same_kernel
        ),
    )  # fmt: skip


TRIALS = (
    trial(
        0,
        "qemu",
        "confined",
        same_kernel=False,
        **{"kernel.boot_id": "two", "cpu.features": "fpu sse2 hypervisor"},
    ),
    trial(1, "bare", "open"),
    trial(2, "bare-again", "open", control=True),
    trial(3, "namespaces", "blocked", **{"capabilities.bounding": "chown"}),
    trial(4, "docker", "open", outcome="failed"),
)


def page(language="en", trials=TRIALS):
    return Page(Summary(replace(synthetic.empty_input(), trials=trials)), words(language))


def cells(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_a_row_for_each_attempt_and_a_column_for_each_runner_that_was_looked_at():
    made = isolation.section(page())
    attempts = next(node for node in made.body if isinstance(node, Table))
    assert attempts.columns[1:] == ("bare", "namespaces", "qemu")
    assert len(attempts.rows) == len(SCOPES)
    assert cells(attempts)[0][1:] == ["open", "blocked", "confined"]


def test_every_attempt_has_words_in_both_languages():
    for language in ("en", "ko"):
        for name in SCOPES:
            assert words(language)(f"attempt.{name}")


def test_facts_that_differ_are_a_table_and_lists_show_what_is_more_or_less():
    made = isolation.section(page())
    facts = [node for node in made.body if isinstance(node, Table)][1]
    rows = {row[0]: row[1:] for row in cells(facts)}
    assert rows.keys() == {"kernel.boot_id", "cpu.features", "capabilities.bounding"}
    assert rows["cpu.features"] == ["avx fpu sse2", "the same", "without avx; also hypervisor"]
    assert rows["kernel.boot_id"] == ["one", "the same", "two"]
    assert rows["capabilities.bounding"] == ["all", "chown", "the same"]
    (equal,) = [node for node in made.body if isinstance(node, Details)]
    assert "1" in equal.summary


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_short_form_counts(language):
    table = isolation.short(page(language)).body[0]
    n = str(len(SCOPES))
    assert [row[2:] for row in cells(table)] == [[n, "0", "0", "0"], ["0", "0", n, "0"], ["0", n, "0", "0"]]


def test_a_run_that_looked_at_no_place_has_no_section():
    assert isolation.section(page(trials=())) is None
    assert isolation.short(page(trials=())) is None


def test_hostile_text_from_a_place_does_not_break_the_summary():
    odd = trial(0, "bare", "open", hostname="|<script>\n# x")
    text = markdown(page(trials=(odd, TRIALS[3])))
    assert "<script>" not in text
