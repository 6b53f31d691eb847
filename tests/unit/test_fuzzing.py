"""Mutated inputs of every kind end in data or in one sentence: `nox -s fuzz` tries ten thousand, this a few hundred."""

from random import Random

import pytest

from support.draws import draws
from support.fuzzing import campaign, mutators
from support.fuzzing.borders import Borders
from support.fuzzing.targets import TARGETS

SEED = "unit"


@pytest.mark.slow
def test_nothing_that_is_read_ends_in_a_traceback_a_hang_or_elsewhere():
    findings = campaign.run(SEED, range(draws(500)))
    assert not findings, "\n\n".join(f"{one.command}\n{one.fault}" for one in findings)


def test_every_kind_of_input_is_made_anew_from_the_same_numbers(tmp_path):
    for target in TARGETS:
        made = []
        for again in ("a", "b"):
            folder = tmp_path / target.name / again
            folder.mkdir(parents=True)
            target.make(folder, Random(7))  # noqa: S311
            files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
            made.append(
                {
                    str(path.relative_to(folder)): path.read_bytes()
                    for path in files
                    if path.name != "seen.json"
                }
            )
        assert made[0] == made[1], target.name


def test_damage_differs_from_the_sample():
    sample = b'{"a": [1, 2, {"b": "c"}], "format": 2}'
    made = {mutators.json_text(sample, Random(number)) for number in range(200)}  # noqa: S311
    assert len(made) > 150
    assert any(b'"a":' in text and text.count(b'"a":') > 1 for text in made)


def test_borders_notice_what_is_done_elsewhere(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    borders = Borders(inside)
    borders.watching = True
    try:
        (inside / "file").write_text("x")
        (inside / "folder").mkdir()
        assert borders.crossed() == []
        (inside / "link" / "file").write_text("x")
        (outside / "folder").mkdir()
        (inside / "file").rename(outside / "moved")
        assert len(borders.crossed()) == 3
    finally:
        borders.watching = False
