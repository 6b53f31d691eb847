"""Hand the registry's colours, kinds and order of runners to the reports, which import no runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.model import RunnerStyle
from tare.runners.containers.namespaces.ladder import KIND, PRIVILEGED, rungs
from tare.runners.registry import by_display_order

if TYPE_CHECKING:
    from tare.runners.registry import RunnerRow


def runner_styles() -> dict[str, RunnerStyle]:
    """Give the style of every runner, in the order of reports."""
    return {row.name: RunnerStyle(row.color, _variants(row), row.kind) for row in by_display_order()}


def _variants(row: RunnerRow) -> tuple[str, ...]:
    """List a runner's variants in the order of reports: on the ladder, the full container stands above all rungs."""
    if row.name == KIND:
        return (*rungs(), "", PRIVILEGED)
    variants = row.known_variants()
    return variants.known if variants else ()
