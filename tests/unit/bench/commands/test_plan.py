"""``tare plan`` lists units in columns that stay apart, and says what its forecast is made of."""

import pytest

from support.campaigns import Steady, make_plan
from tare.bench.analysis.forecast import forecast
from tare.bench.commands import plan as command
from tare.bench.planning.case import Skip
from tare.bench.planning.estimates import Estimates, merge_numbers, spreads_file
from tare.bench.progress import teller
from tare.bench.workloads.null import Null

ESTIMATES = Estimates({"bare": "none", "box": "none"})


def text(names, cache, language="en"):
    made = make_plan([Steady(name) for name in names], blocks=None)
    return command._as_text(made, forecast(made, ESTIMATES, cache), teller(language))


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("names", ["a", ("a", "한국어-이름", "a-workload-with-quite-a-long-name")])
def test_columns_stay_apart_however_short_or_long_the_names_are(tmp_path, names, language):
    head, *rows = text(names, tmp_path, language).splitlines()
    assert len(head.split()) == 7
    for row in rows[: len(names)]:
        name, family, blocks, *_ = row.split()
        assert name in names
        assert family == Steady().family
        assert blocks.isdecimal()


@pytest.mark.parametrize(("language", "name"), [("en", "start-up (null)"), ("ko", "시작(null)")])
def test_start_up_is_called_so_in_rows_and_where_it_is_skipped(tmp_path, language, name):
    made = make_plan(
        [Null(), Steady("work")],
        skips=(Skip("null", "null", "box", "none", "no box", ""),),
        blocks=None,
    )
    lines = command._as_text(made, forecast(made, ESTIMATES, tmp_path), teller(language)).splitlines()
    assert lines[1].startswith(f"{name}  ")
    assert lines[2].startswith("work ")
    assert lines[3].endswith(f": {name}")


def test_a_guess_from_jobs_of_another_length_is_called_one(tmp_path):
    merge_numbers(spreads_file(tmp_path), {"a@box/0.025/time": 0.2, "b@box/0.05/time": 0.2})
    assert "a guess: 1 of 3 rows" in text("abc", tmp_path)
    assert "not measured on this host yet (1 of 3 rows)" in text("abc", tmp_path)
