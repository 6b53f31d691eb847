"""Progress says how long it still takes, and does not call a run nearly over that is late."""

import io

import pytest

from tare.bench.progress import Lines


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (37.4, "about 37 s left"),
        (0.2, "about 1 s left"),
        (0.0, "longer than planned"),
        (-5.0, "longer than planned"),
    ],
)
def test_a_run_that_is_late_says_so(left, said):
    stream = io.StringIO()
    lines = Lines(stream)
    lines.begin(lambda: left)
    lines.trial(3, "null on bare")
    assert stream.getvalue().splitlines()[-1] == f"tare: 3 trials, 0 s passed, {said}: null on bare"
