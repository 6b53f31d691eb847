"""Verdicts by instructions: exact, bounded by two runs, refused with the reason."""

import pytest

from tare.results.errors import ResultError
from tare.results.judgement.counts import compare_counts
from tare.results.record import INSTRUCTIONS_CALLGRIND, INSTRUCTIONS_USER
from tare.results.storage.counts import FILE, InstructionCount, read_counts, write_counts


def counted(version, *counts, metric=INSTRUCTIONS_CALLGRIND, **failure):
    return InstructionCount(version=version, command=f"./{version}", metric=metric, counts=counts, **failure)


@pytest.mark.parametrize(
    ("base", "head", "verdict"),
    [
        ((1_000_000, 1_000_000), (1_000_000, 1_000_000), "same"),
        ((1_000_000, 1_000_000), (1_001_000, 1_001_000), "same"),  # just the threshold
        ((1_000_000, 1_000_000), (1_001_100, 1_001_100), "worse"),
        ((1_000_000, 1_000_000), (998_900, 998_900), "better"),
        # Whatever pair of runs is taken, the answer has to be the same.
        ((1_000_000, 1_002_000), (1_001_500, 1_004_000), "undecided"),
        ((1_000_000, 1_002_000), (1_010_000, 1_012_000), "worse"),
    ],
)
def test_verdicts(base, head, verdict):
    found = compare_counts(counted("base", *base), counted("head", *head))
    assert found.verdict == verdict
    assert (found.low, found.high) == (min(head) / max(base), max(head) / min(base))
    assert "sees no kernel, no hypervisor and no cache" in found.because
    assert ("not deterministic" in found.because) == (len(set(base)) + len(set(head)) > 2)


def test_counts_of_the_processor_are_labelled_as_such():
    sides = [counted(name, 5, 5, metric=INSTRUCTIONS_USER) for name in ("base", "head")]
    assert "callgrind" not in compare_counts(*sides).because


@pytest.mark.parametrize(
    ("base", "head", "why"),
    [
        (counted("base", failure="it ended with signal 9", remedy="see why"), counted("head", 1), "signal 9; see why"),
        (counted("base", 1), counted("head", 0, 0), "executed nothing"),
        (counted("base", 1), counted("head", 1, metric=INSTRUCTIONS_USER), "the other as instructions.user"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(base, head, why):
    found = compare_counts(base, head)
    assert (found.verdict, found.low, found.high) == ("refused", None, None)
    assert why in found.because


def test_counts_are_stored_beside_the_run_and_damage_is_told(tmp_path):
    assert read_counts(tmp_path) == ()
    counts = (counted("base", 7, 8), counted("head", failure="no valgrind", remedy="install it"))
    write_counts(tmp_path, counts)
    assert read_counts(tmp_path) == counts
    (tmp_path / FILE).write_text('[{"version": 3}]')
    with pytest.raises(ResultError, match="cannot be read"):
        read_counts(tmp_path)
