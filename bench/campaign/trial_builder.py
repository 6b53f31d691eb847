"""Build the record of one trial: what became of its job and its place decides its outcome."""

from __future__ import annotations

import datetime
import signal
from typing import TYPE_CHECKING, Any

import msgspec

from tare.bench.campaign.launch_metrics import contradiction
from tare.bench.workloads.base import ParseError
from tare.results.record import (
    DUET_CPU_TIME,
    HOST_CPU_TIME,
    INSTRUCTIONS_USER,
    WAIT_TIME,
    Accelerator,
    Trial,
)
from tare.results.said import listed, say
from tare.runners.agent.clock import ClockContradiction
from tare.runners.collectors.usage import (
    host_cpu_metrics,
    instruction_metrics,
    steal_metric,
    usage_metrics,
    wait_metrics,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.experiments.base import Findings
    from tare.bench.planning.case import Case
    from tare.bench.workloads.base import Workload
    from tare.results.details import Details
    from tare.results.record import Metric, Outcome
    from tare.runners.errors import PlaceFailure
    from tare.runners.model import JobResult

_LAST_LINE_CHARACTERS = 300
_TAIL_BYTES = 2000
"""Kept of the end of stdout (of a trial that went wrong) and of stderr."""
_LOG_TAIL_CHARACTERS = 12_000
"""Kept of the end of a failed place's log, which for a guest that hangs has the state of its vCPUs."""


class TrialBuilder(msgspec.Struct):
    """Collect what is known of a trial until :meth:`trial` makes the record of it."""

    case: Case
    runner: str
    """The label that is recorded."""
    accelerator: Accelerator
    block: int
    position: int
    warmup: bool
    invocation: int
    stream: str = ""
    duet: bool = False
    """Its job shares a CPU with others, so that it has CPU time alone."""
    at: str = msgspec.field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    )
    outcome: Outcome = "ok"
    reason: str = ""
    remedy: str = ""
    last_line: str = ""
    timeline: dict[str, int] = msgspec.field(default_factory=dict)
    clock_error: float = 0.0
    metrics: tuple[Metric, ...] = ()
    context: dict[str, Any] = msgspec.field(default_factory=dict)
    details: Details | None = None
    unavailable: dict[str, str] = msgspec.field(default_factory=dict)
    """Metric or source → why there is no number."""
    notes: dict[str, str] = msgspec.field(default_factory=dict)

    def set_timeline(self, timeline: Mapping[str, int], clock_error: float) -> None:
        """Set the marks (host ``CLOCK_MONOTONIC`` ns) and the bound in seconds on those that a guest's clock gave."""
        self.timeline, self.clock_error = dict(timeline), clock_error

    def finish(self, workload: Workload, result: JobResult) -> None:
        """Set outcome, reason, metrics and notes from a job that ended; :meth:`set_timeline` comes first."""
        self._add_notes(result)
        if result.error:
            self._end("failed", result.error)
        elif result.timed_out:
            self._end(
                "timeout",
                say(
                    "trial.timeout",
                    "still running after {seconds} s, its time-out; it was ended",
                    seconds=f"{result.inside_seconds:.1f}",
                ),
            )
        elif result.signal is not None:
            self._end("failed", say("trial.signal", "ended by signal {signal}", signal=_named(result.signal)))
        elif result.exit_code and (lacking := workload.lacking(result)):
            self.skip(lacking.reason, lacking.remedy)
        elif workload.exit_codes is not None and result.exit_code not in workload.exit_codes:
            self._end("failed", say("trial.exit_status", "exit status {code}", code=result.exit_code))
        elif why := self._contradiction():
            self._end("invalid", why)
        else:
            self._add_metrics(workload, result)
        if self.outcome != "ok":
            self.last_line = _last_line(result.stderr.decode("utf-8", "backslashreplace"))

    def finish_experiment(self, findings: Findings) -> None:
        """Set everything from an experiment that ended."""
        self.set_timeline(findings.timeline, findings.clock_error)
        self.context.update(findings.context)
        self.details = findings.details
        if findings.failure:
            self.fail(findings.failure)
        elif why := self._contradiction():
            self._end("invalid", why)
        else:
            self.metrics += findings.metrics

    def skip(self, reason: str, remedy: str = "") -> None:
        """Set that the trial was not measured after all."""
        self._end("skipped", reason)
        self.remedy = remedy

    def fail(self, error: PlaceFailure) -> None:
        """Set that the place could not be made or was lost."""
        self._end("invalid" if isinstance(error, ClockContradiction) else "failed", error.reason)
        self.remedy = error.remedy
        if error.log:
            self.last_line = _last_line(error.log)
            self.notes["log"] = error.log[-_LOG_TAIL_CHARACTERS:]

    def _end(self, outcome: Outcome, reason: str) -> None:
        self.outcome, self.reason = outcome, reason

    def _add_metrics(self, workload: Workload, result: JobResult) -> None:
        try:
            found = workload.metrics(result)
            self.context.update(workload.context(result))
        except ParseError as error:
            self._end("failed", str(error))
            return
        if self.duet:
            self._add_duet(result)
            return
        self.metrics += found
        if result.usage is not None:
            self.metrics += usage_metrics(result.usage)
        if result.host_cpu is not None:
            self.metrics += host_cpu_metrics(result.host_cpu)
            waits, why = wait_metrics(result, guest=self.accelerator != "none")
            self.metrics += waits
            if why:
                self.unavailable[WAIT_TIME] = why
        self.metrics += instruction_metrics(result)
        if result.not_counted:
            self.unavailable[INSTRUCTIONS_USER] = result.not_counted
        if result.steal_seconds is not None and self.accelerator == "kvm":  # nobody counts it under TCG
            self.metrics += (steal_metric(result.steal_seconds),)

    def _contradiction(self) -> str:
        """Say how the timeline contradicts itself; empty if it does not."""
        why = contradiction(self.timeline, self.clock_error)
        return why and say("trial.timeline", "the timeline contradicts itself: {why}", why=why)

    def _add_duet(self, result: JobResult) -> None:
        if result.host_cpu is None:
            self.unavailable[DUET_CPU_TIME] = say(
                "collector.no_duet", "nothing outside the place counts its CPU time"
            )
            return
        seen = next(one for one in host_cpu_metrics(result.host_cpu) if one.name == HOST_CPU_TIME)
        self.metrics += (msgspec.structs.replace(seen, name=DUET_CPU_TIME),)

    def _add_notes(self, result: JobResult) -> None:
        if result.exit_code is not None:
            self.notes["exit_code"] = str(result.exit_code)
        if result.signal is not None:
            self.notes["signal"] = str(result.signal)
        for name, kept, written in (
            ("stdout", result.stdout, result.stdout_bytes),
            ("stderr", result.stderr, result.stderr_bytes),
        ):
            if written > len(kept):
                self.notes[f"{name}_truncated"] = f"{written} bytes were written, {len(kept)} of them kept"
        if result.stderr:
            self.notes["stderr_tail"] = result.stderr[-_TAIL_BYTES:].decode("utf-8", "backslashreplace")
        if result.exit_code or result.signal is not None:
            self.notes["stdout_tail"] = result.stdout[-_TAIL_BYTES:].decode("utf-8", "backslashreplace")

    def trial(self, run_id: str, number: int, spent_seconds: float = 0.0) -> Trial:
        """Make the record of what is known by now."""
        workload = self.case.workload
        if self.unavailable:
            self.notes["unavailable"] = listed(
                say("collector.unavailable", "{name}: {why}", name=name, why=why)
                for name, why in self.unavailable.items()
            )
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
            last_line=self.last_line,
            control=self.case.control,
            warmup=self.warmup,
            duet=self.duet,
            invocation=self.invocation,
            position=self.position,
            stream=self.stream,
            spent_seconds=spent_seconds,
            parameters=dict(workload.parameters),
            at=self.at,
            timeline=self.timeline,
            clock_error=self.clock_error,
            metrics=self.metrics,
            context=self.context,
            details=self.details,
            notes=self.notes,
        )


def _named(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:  # real-time signals have no names
        return str(number)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip()[-_LAST_LINE_CHARACTERS:] if lines else ""
