"""A trial while it is being filled in: what became of the job and the place decides its outcome."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tare.bench.campaign.launch_metrics import contradiction
from tare.bench.workloads.base import ParseError
from tare.results.record import Accelerator, Trial
from tare.runners.agent.session import ClockContradiction
from tare.runners.collectors.usage import steal_metric, usage_metrics

if TYPE_CHECKING:
    from tare.bench.experiments.base import Findings
    from tare.bench.planning.plan import Case
    from tare.bench.workloads.base import Workload
    from tare.results.record import Metric, Outcome
    from tare.runners.errors import PlaceFailure
    from tare.runners.model import JobResult

_TAIL = 2000
"""Bytes or characters of output that are kept with a trial that went wrong."""
_LOG_TAIL = 12_000
"""Likewise of a place's log, which for a guest that hangs has the state of its vCPUs."""


@dataclass(slots=True)
class Draft:
    """One trial to be. :meth:`trial` makes the record of it."""

    case: Case
    runner: str
    """The label that is recorded."""
    accelerator: Accelerator
    block: int
    position: int
    warmup: bool
    invocation: int
    at: str = field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    )
    outcome: Outcome = "ok"
    reason: str = ""
    remedy: str = ""
    timeline: dict[str, int] = field(default_factory=dict)
    clock_error: float = 0.0
    metrics: tuple[Metric, ...] = ()
    context: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def judge(self, workload: Workload, result: JobResult) -> None:
        """Outcome, reason, metrics and notes from a job that came to an end; the timeline must be set."""
        self._note(result)
        if result.error:
            self._is("failed", result.error)
        elif result.timed_out:
            self._is(
                "timeout", f"still running after {result.inside_seconds:.1f} s, its time-out; it was ended"
            )
        elif result.signal is not None:
            self._is("failed", f"ended by signal {result.signal}")
        elif result.exit_code:
            self._is("failed", f"exit status {result.exit_code}")
        elif why := contradiction(self.timeline, self.clock_error):
            self._is("invalid", f"the timeline contradicts itself: {why}")
        else:
            self._measure(workload, result)

    def found(self, findings: Findings) -> None:
        """Everything from an experiment that came to an end."""
        self.timeline, self.clock_error = dict(findings.timeline), findings.clock_error
        self.context.update(findings.context)
        self.notes.update(findings.notes)
        if findings.failure:
            self.place_failed(findings.failure)
        elif why := contradiction(self.timeline, self.clock_error):
            self._is("invalid", f"the timeline contradicts itself: {why}")
        else:
            self.metrics += findings.metrics

    def skipped(self, reason: str, remedy: str = "") -> None:
        """Not measured after all."""
        self._is("skipped", reason)
        self.remedy = remedy

    def place_failed(self, error: PlaceFailure) -> None:
        """The place could not be made, or was lost."""
        self._is("invalid" if isinstance(error, ClockContradiction) else "failed", error.reason)
        self.remedy = error.remedy
        if error.log:
            self.notes["log"] = error.log[-_LOG_TAIL:]

    def _is(self, outcome: Outcome, reason: str) -> None:
        self.outcome, self.reason = outcome, reason

    def _measure(self, workload: Workload, result: JobResult) -> None:
        try:
            self.metrics += workload.metrics(result)
        except ParseError as error:
            self._is("failed", str(error))
            return
        if result.usage is not None:
            self.metrics += usage_metrics(result.usage)
        if result.steal_seconds is not None and self.accelerator == "kvm":  # nobody counts it under TCG
            self.metrics += (steal_metric(result.steal_seconds),)

    def _note(self, result: JobResult) -> None:
        self.notes["exit_code"] = result.exit_code
        if result.signal is not None:
            self.notes["signal"] = result.signal
        for name, kept, written in (
            ("stdout", result.stdout, result.stdout_bytes),
            ("stderr", result.stderr, result.stderr_bytes),
        ):
            if written > len(kept):
                self.notes[f"{name}_truncated"] = {"written_bytes": written, "kept_bytes": len(kept)}
        if result.stderr:
            self.notes["stderr_tail"] = result.stderr[-_TAIL:].decode("utf-8", "backslashreplace")
        if result.exit_code or result.signal is not None:
            self.notes["stdout_tail"] = result.stdout[-_TAIL:].decode("utf-8", "backslashreplace")

    def trial(self, run_id: str, number: int) -> Trial:
        """The finished record."""
        workload = self.case.workload
        return Trial(
            run=run_id,
            number=number,
            workload=workload.name,
            family=workload.family,
            runner=self.runner,
            accelerator=self.accelerator,
            block=self.block,
            outcome=self.outcome,
            reason=self.reason,
            remedy=self.remedy,
            control=self.case.control,
            warmup=self.warmup,
            invocation=self.invocation,
            position=self.position,
            parameters=dict(workload.parameters),
            at=self.at,
            timeline=self.timeline,
            clock_error=self.clock_error,
            metrics=self.metrics,
            context=self.context,
            notes=self.notes,
        )
