"""Write the tables that the simulations print, as ``docs/method.md`` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown, heads first."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (heads, ["---"] * len(heads), *rows))


def sections(tables: Mapping[str, Callable[[int, int], str]], times: int, seed: int) -> str:
    """Make all tables, each under its title, by their functions of the number of draws and the seed."""
    return "\n\n".join(f"### {title}\n\n{make(times, seed)}" for title, make in tables.items())


def percent(share: float) -> str:
    """Write a share with one decimal: 0.05 is ``5.0 %``."""
    return f"{share * 100:.1f} %"
