import signal

import pytest

from tare.runners.host import endings
from tare.runners.host.endings import how_ended, last_words, oom_kills, why_killed


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with status 0"),
        (3, "ended with status 3"),
        (-9, "was killed by signal 9 (SIGKILL)"),
        (-40, "was killed by signal 40"),
    ],
)
def test_ends_are_named(code, words):
    assert how_ended(code) == words


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("one\ntwo\n", 1, "two"),
        ("", 1, "ended with status 1"),
        ("\n \n", 1, "ended with status 1"),
        ("halfway\n", -9, "was killed by signal 9 (SIGKILL)"),
    ],
)
def test_a_failure_is_never_without_a_reason(said, code, words):
    assert last_words(said, code) == words


@pytest.mark.parametrize(
    ("before", "after", "words"), [(1, 2, "memory ran out"), (1, 1, "dmesg"), (None, 1, "dmesg")]
)
def test_what_the_kernel_counts_tells_why_a_process_was_killed(monkeypatch, before, after, words):
    monkeypatch.setattr(endings, "oom_kills", lambda: after)
    assert words in why_killed(-signal.SIGKILL, before)
    assert why_killed(-signal.SIGTERM, before) == why_killed(1, before) == ""


def test_the_kernels_count_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(endings, "ROOT", tmp_path)
    assert oom_kills() is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/vmstat").write_text("pgfault 12\noom_kill 7\n")
    assert oom_kills() == 7
