"""Damage decoded JSON documents for tests, with hypothesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def mutilated(draw: Callable[[Any], Any], value: Any, depth: int = 0) -> Any:
    """Replace, drop or double some part of a decoded document."""
    inside = isinstance(value, dict | list) and len(value) > 0
    if not inside or (depth and draw(st.integers(0, 3)) == 0):
        return draw(JSON)
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw(st.sampled_from(keys))
    copy = value.copy()
    match draw(st.sampled_from(["deeper", "deeper", "deeper", "drop", "double"])):
        case "deeper":
            copy[key] = mutilated(draw, value[key], depth + 1)
        case "drop":
            del copy[key]
        case "double":
            copy[key] = [value[key], value[key]]
    return copy
