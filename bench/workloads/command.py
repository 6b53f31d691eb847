"""Run the user's own command: ``tare run -- CMD ARGS…``, ``-c NAME=CMD``, or a definition in TOML (:mod:`tare.bench.own`)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tare.bench.workloads.base import Workload, metric, number
from tare.bench.workloads.output_metrics import MetricRule, read_metrics
from tare.results.record import COMMAND_TIME
from tare.results.said import say
from tare.runners.errors import PlaceFailure
from tare.runners.images.image import COMMAND
from tare.runners.images.layers import carried_at
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult, Place


class CommandTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a command besides its words: what is done around it, and what is made of its end and its output."""

    prepare: tuple[str, ...] = ()
    """Command that precedes each measured job in the same place, untimed."""
    cleanup: tuple[str, ...] = ()
    """Command that follows each measured job in the same place, untimed."""
    stdin: str = ""
    environ: tuple[tuple[str, str], ...] = ()
    """Variables in addition to the image's."""
    carry: tuple[Path, ...] = ()
    """Files and folders of the host that the commands need."""
    exit_codes: tuple[int, ...] | None = (0,)
    """Exit codes of a job that ended well. ``None``: all."""
    timeout_seconds: float = 300.0
    metrics: tuple[tuple[str, MetricRule], ...] = ()
    """Metrics out of the output, by name."""
    show_output: bool = False
    """Tell the user what each job has printed."""
    duet: Duet = ""
    """See :attr:`tare.bench.workloads.base.Workload.duet`."""


FAMILY = "command"


@dataclass(frozen=True, slots=True)
class Command(Workload):
    """Run a program of the host, carried into the image, or one of an image made elsewhere.

    One that fails is recorded as failed, with the tail of its stderr. Words in braces (``{scratch}``, ``{here}``, ``{cpus}``, and for
    clients of servers their address) are replaced when the place is known.
    """

    argv: tuple[str, ...]
    terms: CommandTerms = field(default_factory=CommandTerms)
    name: str = "command"
    family: str = FAMILY
    programs: tuple[str, ...] = ()
    program: str = COMMAND
    """Name of the command in the image."""
    image: str = ""
    """The image made elsewhere that the command comes from; empty: this host."""
    chosen: tuple[tuple[str, str], ...] = ()
    """Parameters, which have been filled into the words, and their values."""
    group: str = ""
    """Name of all commands that differ by :attr:`chosen` alone; empty: there are none."""
    about: str = ""
    """What is measured, in the user's words."""
    identity: str = ""
    """Text that stands for the command line in the identity; empty: the command line itself."""

    @property
    def summary(self) -> str:  # type: ignore[override]  # made of the fields
        """Return the user's own line, or one with the command line."""
        return self.about or say("workload.own", "your own command: {command}", command=shlex.join(self.argv))

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the parameters, the command line and the image it comes from: another one is another series."""
        image = {"image": self.image} if self.image else {}
        return {**dict(self.chosen), "command": self.identity or shlex.join(self.argv), **image}

    @property
    def exit_codes(self) -> tuple[int, ...] | None:
        """Return those that the terms give."""
        return self.terms.exit_codes

    @property
    def duet(self) -> Duet:  # type: ignore[override]  # by the terms
        """Return what the terms give: only the user knows whether a command can run beside its like."""
        return self.terms.duet

    @property
    def shows_output(self) -> bool:
        """Return whether the terms ask for it."""
        return self.terms.show_output

    @property
    def commands(self) -> Mapping[str, tuple[str, ...]]:
        """Return the command itself and what goes around it."""
        around = {self._prepare: self.terms.prepare, self._cleanup: self.terms.cleanup}
        return {self.program: self.argv, **{name: words for name, words in around.items() if words}}

    @property
    def carry(self) -> tuple[Path, ...]:
        """Return those that the terms give."""
        return self.terms.carry

    @property
    def aliases(self) -> tuple[str, ...]:
        """Return the name of the group, if the command is one of several."""
        return (self.group,) if self.group else ()

    @property
    def _prepare(self) -> str:
        return f"{self.program}.prepare"

    @property
    def _cleanup(self) -> str:
        return f"{self.program}.cleanup"

    def job(self, site: Site, seconds: float) -> Job:  # noqa: ARG002 - takes as long as it takes
        """Make the job: in the scratch folder, or in the folder that an image made elsewhere names."""
        return self.job_of(self.program, site, {})

    def before(self, site: Site) -> Job | None:
        """Make the job of the prepare command, if there is one."""
        return self.job_of(self._prepare, site, {}) if self.terms.prepare else None

    def after(self, site: Site) -> Job | None:
        """Make the job of the cleanup command, if there is one."""
        return self.job_of(self._cleanup, site, {}) if self.terms.cleanup else None

    def job_of(self, program: str, site: Site, values: Mapping[str, str]) -> Job:
        """Make a job of one of :attr:`commands`, with these values in the place of words in braces."""
        return job_of(program, site, values, self.terms)

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the seconds from the process's birth to its reaping, by the place's clock, and what the rules read."""
        seconds = number(self.name, "duration", result.inside_seconds, result.stderr)
        found = read_metrics(self.name, self.terms.metrics, result)
        primary = not any(one.primary for one in found)
        return (metric(COMMAND_TIME, seconds, "s", "lower", "agent", primary=primary), *found)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Take the length of a job: the command's own is not known before it has been run once."""
        del opening_seconds
        return job_seconds


def job_of(program: str, site: Site, values: Mapping[str, str], terms: CommandTerms) -> Job:
    """Make a job of a carried command, with values in the place of words in braces."""
    known = {"scratch": site.scratch, "cpus": str(site.cpus), "here": _here(site.root), **values}
    return Job(
        argv=tuple(fill(word, known) for word in site.image.argv(site.root, program)),
        environ={
            **site.image.environ(site.root, program),
            **{name: fill(text, known) for name, text in terms.environ},
        },
        directory=site.image.directory(site.root, program, site.scratch),
        stdin=fill(terms.stdin, known).encode("utf-8", "surrogateescape"),
        timeout_seconds=terms.timeout_seconds,
    )


def _here(root: str) -> str:
    """Give the folder in a place that has what is carried from the working directory, under the same names."""
    below = carried_at(f"{Path.cwd().as_posix().rstrip('/')}/x")
    return f"{root.rstrip('/')}{below.removesuffix('/x')}"


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace ``{name}`` by its value, for the names that are known."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def run_aside(place: Place, job: Job | None, what: str) -> None:
    """Run a job that is not measured.

    Raises:
        PlaceFailure: it failed; ``what`` says what could not be done.
    """
    if job is None:
        return
    result = place.run(job)
    if result.exit_code != 0:
        said = result.stderr.decode("utf-8", "replace").strip()
        why = result.error or said
        if not why and result.timed_out:
            why = say("command.too_long", "it took too long")
        why = why or say("trial.exit_status", "exit status {code}", code=result.exit_code)
        raise PlaceFailure(say("command.failed", "{what}: {why}", what=what, why=why))


def prepare_aside(place: Place, job: Job | None, name: str) -> None:
    """Run the job that prepares a workload, if there is one; raises as :func:`run_aside`."""
    if job is not None:
        run_aside(place, job, say("run.workload_not_prepared", "{name} could not be prepared", name=name))


def clean_up_aside(place: Place, job: Job | None, name: str) -> None:
    """Run the job that cleans up after a workload, if there is one; raises as :func:`run_aside`."""
    if job is not None:
        run_aside(place, job, say("run.workload_not_cleaned", "{name} could not be cleaned up", name=name))
