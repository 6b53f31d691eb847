"""Collect an agent's messages about one job, and check that they are consistent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.agent.wire import Done, Output, Started

if TYPE_CHECKING:
    from tare.runners.agent.wire import Message
    from tare.runners.model import Job


class JobAnswer:
    """Everything an agent has said about one job so far."""

    def __init__(self, job: Job, sequence: int) -> None:
        self.job = job
        self.sequence = sequence
        self.started: Started | None = None
        self.done: Done | None = None
        self.streams = (bytearray(), bytearray())
        """Kept output: stdout, stderr."""

    def progress(self) -> str:
        """Describe how far the job has come, for a failure's text."""
        out, err = map(len, self.streams)
        if self.started is None:
            return say("agent.not_started", "the job was not started")
        return say(
            "agent.started_only",
            "the job was started, {out} bytes of stdout and {err} of stderr came, but no end",
            out=out,
            err=err,
        )

    def add(self, message: Message) -> str:
        """Take a message; return what is wrong with it, or an empty text."""
        if not isinstance(message, Started | Output | Done):
            return say(
                "agent.other_message", "{message} while job {job} ran", message=message, job=self.sequence
            )
        name = type(message).__name__.lower()
        if message.sequence != self.sequence:
            return say(
                "agent.other_job",
                "{name} of job {other} while job {job} ran",
                name=name,
                other=message.sequence,
                job=self.sequence,
            )
        if isinstance(message, Started):
            again = self.started is not None
            self.started = message
            return say("agent.started_twice", "the job started twice") if again else ""
        if self.started is None:
            return say("agent.before_start", "{name} came before the job's start", name=name)
        return self._add_output(message) if isinstance(message, Output) else self._add_done(message)

    def _add_output(self, output: Output) -> str:
        stream = self.streams[output.stream - 1]
        stream += output.data
        if len(stream) > self.job.output_limit_bytes:
            return say(
                "agent.too_much",
                "more output was sent than the {limit} bytes that were asked for",
                limit=self.job.output_limit_bytes,
            )
        return ""

    def _add_done(self, done: Done) -> str:
        self.done = done
        for stream, total in zip(self.streams, (done.stdout_total, done.stderr_total), strict=True):
            if len(stream) != min(total, self.job.output_limit_bytes):
                return say(
                    "agent.miscounted",
                    "{came} bytes of output came, but {total} were counted",
                    came=len(stream),
                    total=total,
                )
        if bool(done.usage) != bool(self.job.argv):
            return say("agent.usage", "only a job that makes a process uses resources")
        return ""
