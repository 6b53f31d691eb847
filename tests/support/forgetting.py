"""Forget what this process has said, as if another one had."""

import pytest

from tare.results import said


def forget(monkeypatch: pytest.MonkeyPatch, *, fixed: bool = False) -> None:
    """Forget texts with values; ``fixed``: those without, too."""
    for memory in ("_first", "_remembered", *(("_fixed",) if fixed else ())):
        monkeypatch.setattr(said, memory, {})
