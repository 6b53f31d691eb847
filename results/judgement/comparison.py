"""What a comparison says: estimates with intervals, and one of four verdicts."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tare.results.record import Accelerator, Direction  # noqa: TC001 - msgspec reads annotations at run time
from tare.results.statistics.estimates import Estimate  # noqa: TC001
from tare.results.statistics.symptoms import Symptom  # noqa: TC001

Verdict = Literal["better", "worse", "same", "undecided"]
"""``same`` is a finding (the interval lies inside the threshold), ``undecided`` is the lack of one."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one workload under one runner, against a base (within a run: ``bare``)."""

    workload: str
    family: str
    parameters: dict[str, Any]
    metric: str
    unit: str
    direction: Direction
    clock: str
    primary: bool
    runner: str
    accelerator: Accelerator
    base: str
    """Label of the base runner; between runs, ``<run>:<runner>``."""
    subject_value: Estimate
    """Median of the subject, in ``unit``."""
    base_value: Estimate
    """Median of the base, in ``unit``."""
    cost: Estimate
    """Oriented ratio, paired by block: above 1 the subject costs more, whatever the metric's direction
    (``subject/base`` for ``lower``, ``base/subject`` for ``higher``)."""
    floor: Estimate | None
    """The same ratio between the two identical measurements of the base (A/A): the noise floor."""
    threshold: float
    """Relative difference that matters in practice; fixed before measuring."""
    verdict: Verdict
    because: str
    """One sentence: why this verdict."""
    notes: tuple[str, ...] = ()
    """Fairness notes: context that differs between subject and base; and what was left out, counted."""
    refused: bool = False
    """The two sides are unlike, so no verdict was formed (``undecided``); ``because`` names the difference."""
    symptoms: tuple[Symptom, ...] = ()
    """What is odd about the values; only looked for in primary metrics. Their texts are among the notes."""
    p_worse: float = 1.0
    """One-sided p-value against "costs at most the threshold more"."""
    p_better: float = 1.0
    """One-sided p-value against "costs at most the threshold less"."""
    fine_p_worse: float = 1.0
    """As ``p_worse``, by Student's t where ranks of few units know only coarse p-values: for many comparisons."""
    fine_p_better: float = 1.0
