"""Measure the user's own command as the client of the user's own server (:mod:`tare.bench.own` defines both)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from tare.bench.experiments.base import Experiment, Findings
from tare.bench.experiments.connected import connected_runner, telling
from tare.bench.experiments.serving import Readiness, Server, Where, serving
from tare.bench.workloads.command import Command, CommandTerms, job_of, run_aside
from tare.results.said import say
from tare.runners.collectors.usage import usage_metrics
from tare.runners.errors import PlaceFailure
from tare.runners.inside import image_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.bench.experiments.base import Lab
    from tare.bench.experiments.serving import Address, Served
    from tare.results.record import Metric
    from tare.runners.model import Job, JobResult

_TAIL_BYTES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedCommand(Experiment):
    """Start a server in a place, wait until it is ready, and measure one run of its client."""

    client: Command
    server: tuple[str, ...]
    """Command of the server, which stays in the foreground."""
    server_prepare: tuple[str, ...] = ()
    """Command that precedes the server in its place, untimed."""
    ready: Readiness
    where: Where = "same"
    """Place of the client."""
    port: int = 0
    """Port that the server insists on; 0: any."""
    socket: str = ""
    """Name of the server's UNIX socket in the scratch folder; empty: it listens on a port."""
    warmups: int = 0
    """Runs of the client that precede the measured one and are not counted."""
    most_blocks: int | None = None
    shares_budget: ClassVar[bool] = False

    @property
    def name(self) -> str:  # type: ignore[override]  # the client's
        """Return the name, which is the client's."""
        return self.client.name

    @property
    def family(self) -> str:  # type: ignore[override]
        """Return the family, which is the client's."""
        return self.client.family

    @property
    def summary(self) -> str:  # type: ignore[override]
        """Return the summary, which is the client's."""
        return self.client.summary

    @property
    def programs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return the programs, which are the client's."""
        return self.client.programs

    @property
    def aliases(self) -> tuple[str, ...]:
        """Return the other names, which are the client's."""
        return self.client.aliases

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the client's, and what is particular to a server."""
        return {**self.client.parameters, "server": shlex.join(self.server), "client": self.where}

    @property
    def commands(self) -> Mapping[str, tuple[str, ...]]:
        """Return the commands of client and server."""
        around = {self._prepare: self.server_prepare} if self.server_prepare else {}
        return {**self.client.commands, self._program: self.server, **around}

    @property
    def carry(self) -> tuple[Path, ...]:
        """Return the client's, which are the server's, too."""
        return self.client.carry

    @property
    def _program(self) -> str:
        return f"{self.client.program}.server"

    @property
    def _prepare(self) -> str:
        return f"{self._program}.prepare"

    def files(self, cache: Path) -> Mapping[str, Path]:
        """Carry the program that finds out whether the server is ready."""
        return image_files(cache)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Allow for the places, the server's start and the client."""
        places = 1 if self.where == "same" else 2
        return places * opening_seconds + (1 + self.warmups) * job_seconds + 0.1

    def perform(self, lab: Lab) -> Findings:
        """Open the places, start the server and run the client once."""
        runner, refusals = (lab.runner, "") if self.where == "same" or self.socket else connected_runner(lab)
        server = Server(self._start, self.ready, self.port, self.socket, self._before_start)
        with telling(refusals), serving(replace(lab, runner=runner), server, self.where) as served:
            context = {**served.place.context, "client": self.where}
            for _ in range(self.warmups):
                served.run(self._client_job(served, ""))
            if self.client.terms.prepare:
                failed = say("serving.client_not_prepared", "the client could not be prepared")
                run_aside(served.client, self._client_job(served, ".prepare"), failed)
            result = served.run(self._client_job(served, ""))
            self._tell(lab, result)
            failure = self._failure(result)
            if failure is None and self.client.terms.cleanup:
                failed = say("serving.not_cleaned", "it could not be cleaned up")
                run_aside(served.client, self._client_job(served, ".cleanup"), failed)
            metrics = () if failure else self._metrics(result, served)
        return Findings(metrics=metrics, context=context, failure=failure)

    def _client_job(self, served: Served, suffix: str) -> Job:
        return self.client.job_of(f"{self.client.program}{suffix}", served.at.site, _values(served.at))

    def _start(self, at: Address) -> Job:
        return job_of(self._program, at.site, _values(at), CommandTerms(environ=self.client.terms.environ))

    def _before_start(self, at: Address) -> Job | None:
        if not self.server_prepare:
            return None
        terms = CommandTerms(
            environ=self.client.terms.environ, timeout_seconds=self.client.terms.timeout_seconds
        )
        return job_of(self._prepare, at.site, _values(at), terms)

    def _metrics(self, result: JobResult, served: Served) -> tuple[Metric, ...]:
        used = usage_metrics(result.usage) if result.usage and served.client is not served.place else ()
        return (*self.client.metrics(result), *used)

    def _tell(self, lab: Lab, result: JobResult) -> None:
        if self.client.terms.show_output:
            for line in (result.stdout + result.stderr).decode("utf-8", "replace").splitlines():
                lab.say(
                    say(
                        "progress.on_runner",
                        "{name} on {runner}: {line}",
                        name=self.name,
                        runner=lab.runner.label,
                        line=line,
                    )
                )

    def _failure(self, result: JobResult) -> PlaceFailure | None:
        codes = self.client.exit_codes
        if result.error:
            why = result.error
        elif result.timed_out:
            why = say(
                "trial.timeout",
                "still running after {seconds} s, its time-out; it was ended",
                seconds=f"{result.inside_seconds:.1f}",
            )
        elif result.signal is not None:
            why = say("trial.signal", "ended by signal {signal}", signal=result.signal)
        elif codes is not None and result.exit_code not in codes:
            why = say("trial.exit_status", "exit status {code}", code=result.exit_code)
        else:
            return None
        log = (result.stdout[-_TAIL_BYTES:] + result.stderr[-_TAIL_BYTES:]).decode("utf-8", "replace")
        return PlaceFailure(say("serving.client", "the client: {why}", why=why), log=log)


def _values(at: Address) -> dict[str, str]:
    """Give the words that stand for an address in the commands."""
    return {"listen": at.listen, "address": at.address, "port": str(at.port), "socket": at.socket}
