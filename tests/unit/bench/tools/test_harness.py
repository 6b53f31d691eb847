"""The harness's arithmetic and table."""

# ruff: noqa: S311 - seeds for repeatable tests

import random
from functools import partial
from typing import Any

from tare.bench.tools.harness.__main__ import table
from tare.bench.tools.harness.comparison import Cost, compare
from tare.bench.tools.harness.measurement import Measured, interleave


def test_the_ratio_is_of_medians_and_its_interval_holds_it():
    chance = random.Random(1)
    reference = [1e-3 * chance.gauss(1, 0.05) for _ in range(40)]
    ratio = compare("bare / C, true", reference, [1.1 * one for one in reference], 1.2, chance)
    assert abs(ratio.ratio - 1.1) < 1e-9
    assert ratio.low <= 1.1 <= ratio.high
    assert ratio.met
    assert not compare("x", reference, [2 * one for one in reference], 1.2, chance).met
    assert compare("x", reference, [2 * one for one in reference], 0.0, chance).met


def test_rounds_interleave_all_modes_and_drop_only_the_first():
    calls = []

    def mode(name):
        calls.append(name)
        return len(calls)

    modes: Any = {name: partial(mode, name) for name in "abc"}
    times = interleave(modes, 5, random.Random(1))
    assert {name: len(values) for name, values in times.items()} == {"a": 5, "b": 5, "c": 5}
    assert all(sorted(calls[at : at + 3]) == ["a", "b", "c"] for at in range(0, 18, 3))
    assert sorted(value for values in times.values() for value in values) == list(range(4, 19))


def test_the_table_names_what_is_missed_and_what_was_skipped():
    missed = compare("bare / C, true", [1.0] * 5, [2.0] * 5, 1.2, random.Random(1))
    memory = Cost("launcher's resident memory", 30 << 20, "bytes", 20 << 20)
    lines = table(Measured([missed], [memory], ["crun: no"]))
    assert any("bare / C, true" in line and "2.00" in line and "MISSED" in line for line in lines)
    assert any("30720 KiB: MISSED" in line for line in lines)
    assert lines[-1] == "crun: no"
