"""Build the section that explains how to read the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Bullets, Item, Section
from tare.reports.summaries.cases import CaseKey
from tare.reports.summaries.run import outcomes
from tare.reports.text import numbers
from tare.results.judgement.calibration import expected_rates
from tare.results.plan import planned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.reports.content.page import Page


def section(page: Page) -> Section:
    """Explain what was done and what the words mean, and count all trials by outcome."""
    words, given = page.words, page.summary.given
    counts = ", ".join(
        f"{words(f'outcome.{outcome}')} {n}" for outcome, n in sorted(outcomes(given.trials).items())
    )
    texts = [
        words("method.paired", seed=given.manifest.seed),
        words("method.floor", base=page.base),
        *(words(f"method.{name}") for name in ("verdicts", "answers", "direction", "warmups", "clocks")),
        *_precise(page),
        *_errors(page),
        words("method.counts", counts=counts or "0"),
    ]
    return Section("method", words("method.title"), (Bullets(tuple(Item(text) for text in texts)),))


def _precise(page: Page) -> Iterator[str]:
    """Tell which workloads' intervals became as narrow as was aimed at, and after how many blocks."""
    manifest, words = page.summary.given.manifest, page.words
    plan = planned(manifest)
    if plan is None or not manifest.precise_after_blocks:
        return
    units = []
    for unit, blocks in manifest.precise_after_blocks.items():
        workload, _, runner = unit.partition("@")
        name = page.spoken_case(CaseKey(workload, ()))
        units.append(
            words("method.precise_unit", name=f"{name} ({runner})" if runner else name, blocks=blocks)
        )
    yield words("method.precise", target=numbers.percent(plan.precision), units=", ".join(units))


def _errors(page: Page) -> Iterator[str]:
    """Tell how often verdicts err on such hosts, or that it has not been measured."""
    words, given = page.words, page.summary.given
    if given.manifest.mode == "imported":
        return
    if given.calibration is None:
        yield words("method.uncalibrated")
        return
    plan = planned(given.manifest)
    blocks_planned = (plan.blocks or 0) if plan else 0
    blocks = max((c.cost.n for c in given.comparisons if c.primary), default=blocks_planned)
    for quote in expected_rates(given.calibration, blocks):
        found = ", ".join(
            words("method.found", slower=f"{share * 100:g}", found=f"{rate * 100:.0f}")
            for share, rate in quote.found.items()
        )
        yield words(
            "method.calibrated",
            when=given.calibration.created[:10],
            metric=quote.metric,
            blocks=quote.blocks,
            alarms=f"{quote.false_alarms * 100:.1f}",
            found=found,
        )
