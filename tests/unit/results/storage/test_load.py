"""Damaged files: both readers mark the same lines, and account for every one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from support.draws import draws
from support.results_making import RUN, metric, trial, write_run
from tare.results.storage.load import load_run
from tare.results.tables.frame import read_frame

DROPPED = {"unreadable", "cut", "empty", "foreign", "duplicate"}
"""Kinds of problems whose line gives no trial."""


def both(path):
    """Read with both readers, check that they agree, and return trials and problems."""
    run = load_run(path)
    trials = list(run.trials())
    frame = read_frame(load_run(path), marks=True)
    assert frame.trials["number"].tolist() == [t.number for t in trials]
    assert frame.trials["outcome"].tolist() == [t.outcome for t in trials]
    assert frame.metrics["value"].tolist() == [m.value for t in trials for m in t.metrics]
    assert frame.metrics["metric"].tolist() == [m.name for t in trials for m in t.metrics]
    assert sorted((p.line, p.kind, p.excerpt) for p in frame.problems) == sorted(
        (p.line, p.kind, p.excerpt) for p in run.problems
    )
    return trials, run.problems


def line(number, *values, **changes):
    return msgspec.json.encode(trial(number, *values, **changes)) + b"\n"


def test_each_kind_of_damage_is_marked(tmp_path):
    path = write_run(
        tmp_path,
        [
            line(0, 1.0),
            b"\n",
            b"{nonsense\n",
            line(0, 2.0),
            line(1, 1.0, run="other"),
            line(2, -1.0),
            line(3, metric(1.0, unit="ms")),
            line(4, metric(1.0, direction="higher")),
            line(5, metric(-1.0, name="offset", direction="none")),
            line(6, 1.0).replace(b"1.0", b"NaN"),
            line(7, 1.0).replace(b"1.0", b"null"),
            line(8, 1.0).replace(b"1.0", b"1e999"),
            line(9, 1.0).replace(b'"ok"', b'"splendid"'),
            line(10**12, 1.0),
            line(11, 1.0).replace(b'"startup"', b'"\xff\xfe"'),
            line(12, 1.0),
            line(13, 1e300),
            line(14, 1e-300),
            line(15, metric(-1e300, name="offset", direction="none")),
            line(16, 0.0),
            line(17, 1.0)[:40],
        ],
    )
    trials, problems = both(path)
    assert [(p.line, p.kind) for p in problems] == [
        (2, "empty"), (3, "unreadable"), (4, "duplicate"), (5, "foreign"), (6, "negative"), (7, "mixed-unit"),
        (8, "mixed-direction"), (10, "unreadable"), (11, "unreadable"), (12, "unreadable"), (13, "unreadable"),
        (14, "unreadable"), (15, "unreadable"), (17, "out-of-range"), (18, "out-of-range"), (19, "out-of-range"),
        (21, "cut"),
    ]  # fmt: skip
    assert [(t.number, t.outcome) for t in trials] == [
        (0, "ok"), (2, "invalid"), (3, "invalid"), (4, "invalid"), (5, "ok"), (12, "ok"),
        (13, "invalid"), (14, "invalid"), (15, "invalid"), (16, "ok"),
    ]  # fmt: skip
    assert trials[1].reason == "wall is negative (-1 s)"
    assert trials[6].reason == "wall is out of range (1e+300 s)"
    assert "'ms' here, 's' earlier" in trials[2].reason
    assert problems[0].what == "the line is empty"


def test_a_unit_may_differ_between_workloads(tmp_path):
    path = write_run(tmp_path, [line(0, 1.0), line(1, metric(1.0, unit="count"), workload="other")])
    assert both(path)[1] == []


def test_numbers_may_come_in_any_order(tmp_path):
    path = write_run(tmp_path, [line(5, 1.0), line(3, 1.0), line(4, 1.0), line(3, 1.0)])
    trials, problems = both(path)
    assert [t.number for t in trials] == [5, 3, 4]
    assert [(p.line, p.kind) for p in problems] == [(4, "duplicate")]


def test_excerpts_are_safe_to_print(tmp_path):
    path = write_run(tmp_path, [b"\x1b[31mred\x00\xff" + b"x" * 1000 + b"\n"])
    (problem,) = both(path)[1]
    assert problem.excerpt.isprintable()
    assert len(problem.excerpt) <= 120
    assert problem.excerpt.startswith(r"\x1b[31mred\x00\xff")


def test_deep_nesting_does_not_stop_the_reading(tmp_path):
    deep = line(1, 1.0).replace(b'"ok"', b'"ok","notes":' + b"[" * 50_000)
    trials, problems = both(write_run(tmp_path, [line(0, 1.0), deep, line(2, 1.0)]))
    assert [t.number for t in trials] == [0, 2]
    assert [p.kind for p in problems] == ["unreadable"]


def test_marks_are_seconds_since_the_first(tmp_path):
    path = write_run(
        tmp_path,
        [trial(0, 1.0, timeline={"requested": 10**15, "gone": 10**15 + 1_500_000}), trial(1, 1.0)],
    )
    trials = read_frame(load_run(path), marks=True).trials
    assert trials["mark.requested"].tolist()[0] == 0
    assert abs(trials["mark.gone"].tolist()[0] - 0.0015) < 1e-9
    assert trials["mark.gone"].isna().tolist() == [False, True]


def test_columns_hold_what_was_stored(tmp_path):
    path = write_run(
        tmp_path,
        [
            trial(
                0, metric(2.0, error=0.5, samples=3, primary=True, source="fio"), parameters={"b": 1, "a": 2}
            ),
            trial(1, metric(3.0), parameters={"a": 2, "b": 1}, control=True, warmup=True, position=4),
        ],
    )
    frame = read_frame(load_run(path))
    first, second = frame.metrics.to_dict("records")
    assert first["parameters"] == second["parameters"] == '{"a":2,"b":1}'
    assert (first["run"], first["error"], first["samples"], first["primary"], first["source"]) == (
        RUN,
        0.5,
        3,
        True,
        "fio",
    )
    assert (second["control"], second["warmup"], second["position"]) == (True, True, 4)
    assert second["error"] != second["error"]  # NaN: none is known


MUTATIONS = st.tuples(
    st.integers(0, 5),
    st.integers(0, 400),
    st.sampled_from(["cut", "byte", "double", "join", "insert"]),
    st.binary(max_size=4),
)


@settings(max_examples=draws(150))
@given(st.lists(MUTATIONS, max_size=4))
def test_no_damage_raises_and_every_line_is_accounted_for(mutations):
    lines = [line(n, 1.0, metric(5.0, name="ops", unit="ops/s", direction="higher")) for n in range(6)]
    for which, where, how, junk in mutations:
        old = lines[which % len(lines)]
        at = where % max(1, len(old))
        if how == "cut":
            old = old[:at]
        elif how == "byte":
            old = old[:at] + junk + old[at + 1 :]
        elif how == "double":
            old += old
        elif how == "join":
            old = old.rstrip(b"\n")
        else:
            old = old[:at] + junk + old[at:]
        lines[which % len(lines)] = old
    data = b"".join(lines)
    with tempfile.TemporaryDirectory() as folder:
        path = write_run(Path(folder), [data])
        trials, problems = both(path)
    stored = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    dropped = [p for p in problems if p.kind in DROPPED]
    assert len(trials) + len(dropped) == stored
    assert len({p.line for p in dropped}) == len(dropped)
