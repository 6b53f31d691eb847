"""What a run left is counted as gone only if it stays away."""

import pytest

from support import launched_places

NONE: list[str] = []


def test_settled_is_what_was_seen_twice_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    looks = iter([["1 a"], [], ["1 a"], [], [], ["unseen"]])
    assert launched_places._settled(lambda: next(looks), NONE) == []
    assert next(looks) == ["unseen"]


def test_what_does_not_settle_is_returned_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launched_places, "_SETTLING_SECONDS", 0.0)
    assert launched_places._settled(lambda: ["1 a"], NONE) == ["1 a"]
