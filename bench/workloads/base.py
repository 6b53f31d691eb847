"""Define workloads, and what their modules share.

Workloads do a fixed amount of work, chosen from the wanted length by a rate that an ordinary core reaches,
and never by looking at the place: every place gets the same command line. So that slow places (a guest
under TCG is some ten times slower) stay affordable, tools that can are told to stop after a few seconds as
well, and what is reported is a rate, which is true in both cases.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from tare.bench.measurable import Plain, Unsuitable
from tare.results.record import Metric
from tare.results.said import say, shown
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.measurable import FromMode, Terms, WorkloadKind
    from tare.results.record import Direction
    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.model import Job, JobResult

PLACE_CLOCK = "place-monotonic"
"""Monotonic clock of the place, read by the tool inside: the host's own clock, except in guests."""

PLACE_WALL_CLOCK = "place-realtime"
"""The place's wall clock, which may be stepped: some tools read no other."""

_EXCERPT_CHARACTERS = 200


class ParseError(TareError):
    """Output that a tool's parser does not understand; no number is taken from it."""

    remedy = say(
        "remedy.by_hand", "run the command of the trial by hand and compare with tests/golden/tool_output"
    )

    def __init__(self, workload: str, what: str, output: bytes) -> None:
        text = output.decode("utf-8", "backslashreplace").strip()
        if len(text) > _EXCERPT_CHARACTERS:
            text = text[:_EXCERPT_CHARACTERS] + "…"
        super().__init__(
            say(
                "parse.output",
                "{workload}: {what} in the output {text}; {remedy}",
                workload=workload,
                what=what,
                text=repr(text),
                remedy=self.remedy,
            )
        )
        self.excerpt = text


class Site(msgspec.Struct, frozen=True):
    """Folders and CPUs of the place in which a job will run."""

    image: Image
    root: str
    """Path of the image's tree, as seen by the job."""
    scratch: str
    """Path of a private writable folder, as seen by the job."""
    cpus: int
    first_cpu: int = 0
    """CPU for jobs that pin themselves to one: in guests 0, elsewhere the first of the limits' cpuset."""


Duet = Literal["", "one", "all"]
"""``one``: jobs can share one CPU with their likes in other places. ``all``: they share all CPUs, since each of them uses
all. Empty: they would be in each other's way, or do other work than alone."""


class Workload(Plain, ABC):
    """One job, and how its output becomes metrics. The campaign makes the places.

    Instances are immutable and hashable; subclass as a frozen dataclass. See :class:`tare.bench.measurable.Measurable`.
    """

    __slots__ = ()

    kind: ClassVar[WorkloadKind] = "steady"
    from_mode: FromMode = "quick"
    """Shortest mode that measures it unasked: ``quick`` for the few rows of every run, ``rigorous`` for the rest, whose
    programs are fetched only then. ``named``: only where ``-k`` names it or its family, as all others are, too, in any mode."""
    most_blocks: ClassVar[int | None] = None
    shortest_seconds: ClassVar[float] = 0.0
    """Length in seconds of the shortest job that is not mostly the program's start, as ``docs/method.md`` has it measured.
    0: any length will do."""
    duet: ClassVar[Duet] = ""
    """Way in which the same job of several places may run at the same time, for its CPU time."""
    heavy: ClassVar[bool] = False
    """True if the smallest piece of its work takes 0.2 s or more of an ordinary core and cannot be cut short: tens of seconds
    where the CPU is emulated, so it is skipped there. All others do less in a slow place, see above."""
    name: str
    """Unique name; ``-k`` matches it."""
    family: str
    """Group of related workloads; ``-k`` matches it, too."""
    summary: str
    """One line that says what is measured."""
    programs: tuple[str, ...] = ()
    """Names of the programs that the image must carry."""

    def admit(self, runner: Runner, terms: Terms) -> None:
        """Agree to every runner, except that what is heavy is not done by an emulated CPU.

        Raises:
            Unsuitable: see above, or the host lacks what the subclass needs.
        """
        del terms
        if self.heavy and runner.accelerator == "tcg":
            raise Unsuitable(
                say(
                    "workload.too_heavy",
                    "{name} is too heavy for an emulated CPU: a job of it cannot be cut short and would take tens of seconds.",
                    name=self.name,
                ),
                say(
                    "remedy.give_kvm",
                    "Give the guest KVM (`tare doctor` says what is in its way).",
                ),
            )

    @abstractmethod
    def job(self, site: Site, seconds: float) -> Job:
        """Make the job that takes about ``seconds`` on an ordinary core."""

    def lacking(self, result: JobResult) -> Unsuitable | None:
        """Say what the place lacks, by what a job said that ended without having worked; ``None``: it failed for another reason."""
        del result
        return None

    def context(self, result: JobResult) -> Mapping[str, object]:
        """Give facts about the place that a job that ended well found out, for the fairness audit."""
        del result
        return {}

    @property
    def exit_codes(self) -> tuple[int, ...] | None:
        """Exit codes of a job that ended well; ``None``: all."""
        return (0,)

    @property
    def shows_output(self) -> bool:
        """Tell the user what each job has printed."""
        return False

    def before(self, site: Site) -> Job | None:
        """Make the job that has to precede each measured one, untimed, in the same place; ``None``: none."""
        del site
        return None

    def after(self, site: Site) -> Job | None:
        """Make the job that has to follow each measured one, untimed, in the same place; ``None``: none."""
        del site
        return None

    def preparation(self, site: Site) -> Job | None:
        """Make the job that every opening of a place needs once before the measured ones, untimed; ``None``: none."""
        del site
        return None

    @property
    def prepared_file(self) -> str:
        """Name of the file in the scratch folder that is all that the preparation makes; empty if that is not so."""
        return ""

    @abstractmethod
    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Read the metrics of a job that ended well, exactly one of them primary.

        Raises:
            ParseError: the output is not understood, or contradicts itself.
        """

    @abstractmethod
    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """See :meth:`tare.bench.measurable.Measurable.nominal_seconds`."""


def amount(per_second: float, seconds: float) -> int:
    """Return the units of work for about ``seconds`` at an ordinary core's rate, at least one."""
    return max(1, round(per_second * seconds))


def cap_seconds(seconds: float) -> int:
    """Return the seconds after which a slow place may stop; whole, as sysbench and stress-ng take no others."""
    return max(1, math.ceil(3 * seconds))


def job_timeout(seconds: float) -> float:
    """Return the seconds after which a job is killed: far more than any slow place that still works takes."""
    return 60.0 + 60.0 * seconds


def number(workload: str, what: str, value: object, output: bytes, *, positive: bool = True) -> float:
    """Convert ``value`` to a finite number.

    Raises:
        ParseError: it is no number, negative, or 0 where ``positive`` excludes it (a zero rate is never true).
    """
    try:
        found = float(value)  # type: ignore[arg-type]  # any object: that is what is checked
    except (TypeError, ValueError, OverflowError):
        raise ParseError(
            workload,
            say("parse.no_number", "no number for {what} but {value}", what=what, value=shown(repr(value))),
            output,
        ) from None
    if not math.isfinite(found) or found < 0 or (positive and found == 0):
        raise ParseError(
            workload,
            say("parse.impossible", "an impossible {what} of {found!r}", what=what, found=found),
            output,
        )
    return found


def metric(
    name: str,
    value: float,
    unit: str,
    direction: Direction,
    source: str,
    *,
    primary: bool = False,
    samples: int = 1,
) -> Metric:
    """Make a metric on the place's monotonic clock; counts and ratios have no clock."""
    clock = "" if unit in {"count", "ratio"} else PLACE_CLOCK
    return Metric(
        name=name, value=value, unit=unit, direction=direction, clock=clock, source=source, samples=samples,
        primary=primary,
    )  # fmt: skip
