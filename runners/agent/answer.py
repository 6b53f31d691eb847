"""Collect an agent's messages about one job, and check that they are consistent."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
            return "the job was not started"
        return f"the job was started, {out} bytes of stdout and {err} of stderr came, but no end"

    def add(self, message: Message) -> str:
        """Take a message; return what is wrong with it, or an empty text."""
        if not isinstance(message, Started | Output | Done):
            return f"{message} while job {self.sequence} ran"
        name = type(message).__name__.lower()
        if message.sequence != self.sequence:
            return f"{name} of job {message.sequence} while job {self.sequence} ran"
        if isinstance(message, Started):
            again = self.started is not None
            self.started = message
            return "the job started twice" if again else ""
        if self.started is None:
            return f"{name} came before the job's start"
        return self._add_output(message) if isinstance(message, Output) else self._add_done(message)

    def _add_output(self, output: Output) -> str:
        stream = self.streams[output.stream - 1]
        stream += output.data
        if len(stream) > self.job.output_limit_bytes:
            return f"more output was sent than the {self.job.output_limit_bytes} bytes that were asked for"
        return ""

    def _add_done(self, done: Done) -> str:
        self.done = done
        for stream, total in zip(self.streams, (done.stdout_total, done.stderr_total), strict=True):
            if len(stream) != min(total, self.job.output_limit_bytes):
                return f"{len(stream)} bytes of output came, but {total} were counted"
        if bool(done.usage) != bool(self.job.argv):
            return "only a job that makes a process uses resources"
        return ""
