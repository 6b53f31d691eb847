"""Write the tables that the simulations print, as ``docs/method.md`` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown, heads first."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (heads, ["---"] * len(heads), *rows))


def percent(share: float) -> str:
    """Write a share with one decimal: 0.05 is ``5.0 %``."""
    return f"{share * 100:.1f} %"
