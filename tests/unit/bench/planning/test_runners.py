"""Every runner's probe ends in an answer, whatever the host does."""

import subprocess

import pytest

from tare.bench.planning.runners import probed
from tare.runners.errors import TareError
from tare.runners.fake import FakeRunner


class Stopped(FakeRunner):
    """Is stopped by the host in the middle of its probe."""

    def __init__(self, error):
        super().__init__("bare")
        self.error = error

    def probe(self):
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(1, "Operation not permitted"),
        TareError("no launcher"),
        subprocess.TimeoutExpired("podman", 5),
    ],
)
def test_a_host_that_stops_a_probe_makes_it_a_refusal(error):
    found = probed(Stopped(error))
    assert not found.ok
    assert str(error) in found.reason


def test_errors_of_the_suite_itself_are_not_hidden():
    with pytest.raises(KeyError):
        probed(Stopped(KeyError("rung")))
