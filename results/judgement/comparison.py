"""Define the result of a comparison: estimates with intervals, and one of four verdicts."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tare.results.record import Accelerator, Direction  # noqa: TC001 - msgspec reads annotations at run time
from tare.results.statistics.estimates import Estimate  # noqa: TC001
from tare.results.statistics.symptoms import Symptom  # noqa: TC001

CONFIDENCE = 0.95
"""Confidence level of all intervals."""

Verdict = Literal["better", "worse", "same", "undecided"]
"""``same`` is a finding: the whole interval lies within the threshold. ``undecided`` is the lack of a finding."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one workload under one runner, compared with a base (within a run: ``bare``)."""

    workload: str
    family: str
    parameters: dict[str, Any]
    """Parameters of the workload that tell its cases apart."""
    metric: str
    unit: str
    """Unit of both values; see :attr:`tare.results.record.Metric.unit`."""
    direction: Direction
    clock: str
    """Clock of the subject's values; see :attr:`tare.results.record.Metric.clock`."""
    primary: bool
    """The workload is judged by this metric."""
    runner: str
    accelerator: Accelerator
    base: str
    """Name of the base: a runner's label, ``<workload>:<runner>`` between versions, ``<run>:<runner>`` between runs."""
    subject_value: Estimate
    """Median of the subject, in ``unit``."""
    base_value: Estimate
    """Median of the base, in ``unit``."""
    cost: Estimate
    """Oriented ratio, paired by block within a run: above 1 the subject costs more, whatever the metric's direction
    (``subject/base`` for ``lower``, ``base/subject`` for ``higher``). NaN where no ratio can be formed."""
    floor: Estimate | None
    """Noise floor: the same ratio between two identical measurements of the base (A/A); ``None`` if there is only one."""
    threshold: float
    """Relative difference that matters in practice, fixed before measuring: 0.02 is 2 %."""
    verdict: Verdict
    because: str
    """Reason of the verdict, one sentence."""
    notes: tuple[str, ...] = ()
    """Fairness notes: differences in how both sides were measured, and counts of trials that were left out."""
    base_unit: str = ""
    """Unit of ``base_value`` where it differs from the subject's; empty where it is the same. Such pairs are refused."""
    refused: bool = False
    """No verdict was formed (``undecided``), because the two sides are unlike; ``because`` names the difference."""
    symptoms: tuple[Symptom, ...] = ()
    """Symptoms of strained assumptions, of primary metrics only. Their texts are among the notes as well."""
    p_worse: float = 1.0
    """One-sided p-value against "costs at most the threshold more"."""
    p_better: float = 1.0
    """One-sided p-value against "costs at most the threshold less"."""
    fine_p_worse: float = 1.0
    """``p_worse``, but by Student's t where there are so few units that rank tests have only coarse p-values. For
    corrections over many comparisons."""
    fine_p_better: float = 1.0
    """``p_better``, in the same way."""
    blocks: int = 0
    """Number of blocks with values of both sides; between runs, of the side with fewer. 0: not recorded."""
    needed_blocks: int | None = None
    """Number of blocks, those measured included, that would decide it at its present spread; ``None`` if it is decided, and
    where that is unknown or no number of them helps. See :func:`tare.results.judgement.price.blocks_needed`."""
