"""Whether instructions can be counted here, and what the reasons say."""

import errno
import mmap
import os

import pytest

from tare.runners.host import pmu


@pytest.fixture(autouse=True)
def asked_anew():
    pmu.why_no_instructions.cache_clear()
    pmu.why_not_always.cache_clear()
    yield
    pmu.why_no_instructions.cache_clear()
    pmu.why_not_always.cache_clear()


def refusing(code):
    def refuse(*_arguments, **_options):
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOENT, "no PMU"),
        (errno.EACCES, "perf_event_paranoid"),
        (errno.EPERM, "seccomp"),
        (errno.EMFILE, "EMFILE"),
    ],
)
def test_a_refusal_is_explained(monkeypatch, code, words):
    monkeypatch.setattr(pmu, "open_event", refusing(code))
    for why in (pmu.why_no_instructions(), pmu.why_not_always()):
        assert words in why
        assert errno.errorcode[code] in why


@pytest.mark.parametrize(
    ("kind", "always"), [("none", True), (None, True), ("kvm", False), ("unknown", False)]
)
def test_a_virtual_host_counts_apart_only(monkeypatch, kind, always):
    monkeypatch.setattr(pmu, "open_event", lambda *_arguments, **_options: os.dup(0))
    monkeypatch.setattr(pmu, "virtualisation", lambda _root: {"kind": kind})
    assert pmu.why_no_instructions() == ""
    assert (pmu.why_not_always() == "") == always


def test_the_system_call_counts_a_software_event_of_this_thread():
    try:
        event = pmu.open_event(1, 2, 0, user_only=True)  # page faults
    except OSError as error:
        pytest.skip(f"not for this user: {pmu.explain(error.errno)}")
    before = int.from_bytes(os.read(event, 8), "little")
    with mmap.mmap(-1, mmap.PAGESIZE) as fresh:
        fresh[0] = 1  # memory of its own, so nobody has touched the page yet
    after = int.from_bytes(os.read(event, 8), "little")
    os.close(event)
    assert after > before


def test_an_event_that_does_not_exist_is_refused():
    with pytest.raises(OSError, match=r"No such|denied|permitted"):
        pmu.open_event(99, 99, 0)
