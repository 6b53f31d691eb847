"""What comes in is a beginning of what the host has, whatever order and repetition chunks come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.bench.fleet.inbox import Inbox
from tare.bench.fleet.messages import Chunk
from tare.results.errors import ResultError

TOKEN = "t"  # noqa: S105 - the name of an order
WHOLE = b"".join(b'{"trial": %d}\n' % number for number in range(12))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12))))
def test_a_beginning_of_the_hosts_file_is_kept(tmp_path_factory, spans):
    inbox = Inbox(tmp_path_factory.mktemp("runs"))
    ends = [0, *(at + 1 for at, byte in enumerate(WHOLE) if byte == 10)]
    for first, last in spans:
        low, high = ends[min(first, last)], ends[max(first, last)]
        before = inbox.size("r")
        inbox.take(Chunk(token=TOKEN, run="r", manifest=b"", offset=low, lines=WHOLE[low:high]))
        assert inbox.size("r") == (max(before, high) if low <= before else before)
        assert inbox.raw("r")[1] == WHOLE[: inbox.size("r")]
    assert inbox.trials == inbox.raw("r")[1].count(b"\n")


@pytest.mark.parametrize("run", ["", ".", "../elsewhere", "a/b"])
def test_a_run_that_is_no_id_is_refused(tmp_path, run):
    with pytest.raises(ResultError, match="not a run id"):
        Inbox(tmp_path).take(Chunk(token=TOKEN, run=run, manifest=b"", offset=0, lines=b""))
