from contextlib import contextmanager

import pytest

from tare.runners.errors import PlaceFailure, TareError
from tare.runners.undoing import UndoLog


def fail(error):
    raise error


def failing(error, *, entering=False):
    @contextmanager
    def manager():
        if entering:
            raise error
        try:
            yield "entered"
        finally:
            raise error

    return manager()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PlaceFailure("busy"), "thing: busy"),
        (OSError(16, "Device or resource busy"), "thing: [Errno 16] Device or resource busy"),
        (KeyError("name"), "thing: KeyError: 'name'"),
    ],
)
def test_what_leaving_raises_is_kept_and_told_with_its_remedy(error, said):
    told: list[str] = []
    log = UndoLog(told.append)
    with log.leaving("thing", failing(error)) as entered:
        assert entered == "entered"
    with log.noting("thing"):
        fail(error)
    assert log.failures == [said]  # once, however often
    (line,) = told
    assert said in line
    assert "`tare clean`" in line


def test_the_errors_of_entering_and_of_the_block_pass():
    log = UndoLog()
    with (
        pytest.raises(TareError, match="entering"),
        log.leaving("x", failing(TareError("entering"), entering=True)),
    ):
        pass
    assert log.failures == []
    with pytest.raises(ZeroDivisionError), log.leaving("thing", failing(TareError("busy"))):
        fail(ZeroDivisionError())
    assert log.failures == ["thing: busy"]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_no_failure_of_clean_up(interrupt):
    log = UndoLog()
    with pytest.raises(interrupt), log.leaving("thing", failing(interrupt())):
        pass
    with pytest.raises(interrupt), log.leaving("thing", failing(TareError("busy"))):
        fail(interrupt())
    assert log.failures == ["thing: busy"]
