import json

import pytest

from tare.bench.campaign.costs import Costs
from tare.bench.planning.estimates import timings_file


def costs(**seconds):
    made = Costs()
    for key, times in seconds.items():
        for time in times:
            made.add(key, time)
    return made


def test_medians_are_merged_into_what_is_known(tmp_path):
    timings_file(tmp_path).write_text('{"open@bare": 9, "open@box": 3}')
    costs(**{"open@bare": [1.0, 2.0, 30.0]}).remember(tmp_path)
    assert json.loads(timings_file(tmp_path).read_text()) == {"open@bare": 2.0, "open@box": 3}


@pytest.mark.parametrize("damage", ["", "{", "[1]", "null"])
def test_a_damaged_file_is_replaced(tmp_path, damage):
    timings_file(tmp_path).write_text(damage)
    costs(a=[1.0]).remember(tmp_path)
    assert json.loads(timings_file(tmp_path).read_text()) == {"a": 1.0}


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path):
    costs(a=[1.0]).remember(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()
