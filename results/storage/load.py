"""Read runs. Damage neither stops the reading nor goes unreported.

A line that cannot be used becomes a :class:`Problem`. A line that can be read but says something
impossible (a negative duration, a second unit for the same metric) becomes a :class:`Problem` *and* stays
in the run as an ``invalid`` trial, so that counts still add up.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tare.results.errors import ResultError
from tare.results.plain_files import open_plain, read_plain
from tare.results.record import FORMAT_VERSION, Manifest, Metric, Trial
from tare.results.said import listed, say
from tare.results.storage.upgrade import check_version, upgrade_manifest, upgrade_trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MANIFEST = "manifest.json"
TRIALS = "trials.jsonl"

LARGEST_INT = 2**31 - 1
"""Counters of a trial (number, block, invocation, position) above this are damage, not counts."""

LARGEST_VALUE = 1e100
"""Values of metrics above this, or between 0 and its reciprocal, measure nothing. Sums, squares and ratios of values
within the range are finite, so that whoever computes with them need not look."""

SMALLEST_VALUE = 1 / LARGEST_VALUE

ProblemKind = Literal[
    "unreadable",
    "cut",
    "empty",
    "foreign",
    "duplicate",
    "negative",
    "out-of-range",
    "mixed-unit",
    "mixed-direction",
]
"""Kinds of problems. A line of the first five kinds gives no trial, the others one with outcome ``invalid``."""

_EXCERPT_CHARACTERS = 120
_BATCH_LINES = 500


class Problem(msgspec.Struct, frozen=True):
    """A line of ``trials.jsonl`` from which no number is taken, and the reason."""

    line: int
    """Number of the line, from 1."""
    kind: ProblemKind
    what: str
    """Description for people, without a full stop."""
    excerpt: str
    """Beginning of the line, safe to print."""


def excerpt(line: bytes) -> str:
    """Return the beginning of a line, safe to print: control characters and bad UTF-8 are escaped."""
    text = line.rstrip(b"\r\n")[: _EXCERPT_CHARACTERS + 1].decode("utf-8", "backslashreplace")
    safe = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return safe if len(safe) <= _EXCERPT_CHARACTERS else safe[: _EXCERPT_CHARACTERS - 1] + "…"


UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Exceptions that msgspec raises for a line that is not valid."""

_trial_decoder = msgspec.json.Decoder(Trial)


def undecodable(number: int, line: bytes, error: Exception) -> Problem:
    """Describe a line that could not be decoded. ``line`` has its newline, unless writing it was interrupted."""
    if not line.strip():
        return Problem(number, "empty", say("problem.empty", "the line is empty"), "")
    if not line.endswith(b"\n"):
        text = say("problem.cut", "the last line has no end: its writing was interrupted")
        return Problem(number, "cut", text, excerpt(line))
    return Problem(number, "unreadable", no_trial_text(error), excerpt(line))


def no_trial_text(fault: object) -> str:
    """Describe a line that is no trial."""
    return say("problem.no_trial", "not a trial: {fault}", fault=fault)


def range_fault(number: int, block: int, invocation: int, position: int) -> str:
    """Name the counter of a trial that is out of range; empty if there is none."""
    for name, value, low in (
        ("number", number, 0),
        ("block", block, -1),
        ("invocation", invocation, 0),
        ("position", position, 0),
    ):
        if not low <= value <= LARGEST_INT:
            return say("problem.range", "{name} {value} is out of range", name=name, value=value)
    return ""


class _Units(dict[str, dict[str, tuple[str, str]]]):
    """Unit and direction of each metric of each workload, as first seen: workload → metric → both."""

    def faults(self, trial: Trial) -> list[tuple[ProblemKind, str]]:
        """Find what is wrong with a trial's metrics. There are hundreds of thousands, so the usual case is told at a glance."""
        known = self.setdefault(trial.workload, {})
        found = []
        for metric in trial.metrics:
            seen = known.get(metric.name)
            value = metric.value
            usual = SMALLEST_VALUE <= value <= LARGEST_VALUE or value == 0
            if seen is not None and usual and seen == (metric.unit, metric.direction):
                continue
            if fault := self._fault(known, metric):
                found.append(fault)
        return found

    @staticmethod
    def _fault(known: dict[str, tuple[str, str]], metric: Metric) -> tuple[ProblemKind, str] | None:
        if metric.value < 0 and metric.direction != "none":
            return "negative", negative_text(metric.name, metric.value, metric.unit)
        if metric.value and not SMALLEST_VALUE <= abs(metric.value) <= LARGEST_VALUE:
            return "out-of-range", beyond_text(metric.name, metric.value, metric.unit)
        unit, direction = known.setdefault(metric.name, (metric.unit, metric.direction))
        if metric.unit != unit:
            return "mixed-unit", mixed_text(metric.name, "unit", metric.unit, unit)
        if metric.direction != direction:
            return "mixed-direction", mixed_text(metric.name, "direction", metric.direction, direction)
        return None


def negative_text(name: str, value: float, unit: str) -> str:
    """Describe a metric that is negative though its value is judged."""
    return say(
        "problem.negative", "{name} is negative ({value} {unit})", name=name, value=f"{value:g}", unit=unit
    )


def beyond_text(name: str, value: float, unit: str) -> str:
    """Describe a metric whose value is too large or too small to be computed with."""
    return say(
        "problem.beyond", "{name} is out of range ({value} {unit})", name=name, value=f"{value:g}", unit=unit
    )


def mixed_text(name: str, what: str, here: str, before: str) -> str:
    """Describe a metric whose unit or direction (``what``) differs from earlier in the run."""
    return say(
        "problem.mixed", "{name} has {word} {here!r} here, {there!r} earlier in the run",
        name=name, word=what, here=here, there=before,
    )  # fmt: skip


class Run:
    """A stored run: its manifest, and its trials, which are read from disk while one iterates."""

    def __init__(self, path: Path, manifest: Manifest, stored_format: int) -> None:
        self.path = path
        self.manifest = manifest
        self.stored_format = stored_format
        """Format of the files; the structs are already brought up to :data:`FORMAT_VERSION`."""
        self.problems: list[Problem] = []
        """Problems that the last iteration of :meth:`trials` found; complete when it has ended."""

    @property
    def trials_path(self) -> Path:
        """Path of the file with one trial a line."""
        return self.path / TRIALS

    def batches(self, size: int) -> Iterator[list[bytes]]:
        """Yield the file's lines, newlines kept, ``size`` at a time and in the present format."""
        try:
            with open_plain(self.trials_path, 1 << 18) as file:
                while batch := list(islice(file, size)):
                    if self.stored_format != FORMAT_VERSION:
                        batch = [self._upgraded(line) for line in batch]
                    yield batch
        except FileNotFoundError:
            return  # interrupted before the first trial: a run of none
        except OSError as error:
            raise ResultError(say(
                "file.no_trials", "cannot read {trials_path}: {strerror}.",
                trials_path=self.trials_path, strerror=error.strerror,
            )) from error  # fmt: skip

    def _upgraded(self, line: bytes) -> bytes:
        if self.stored_format == FORMAT_VERSION:
            return line
        try:
            raw = msgspec.json.decode(line, type=dict[str, Any])
            upgraded = msgspec.json.encode(upgrade_trial(raw, self.stored_format))
        except UNDECODABLE:
            return line  # the reader will describe it
        return upgraded + (b"\n" if line.endswith(b"\n") else b"")

    def trials(self) -> Iterator[Trial]:
        """Yield every readable trial in stored order; impossible ones with outcome ``invalid``."""
        self.problems = []
        seen: set[int] = set()
        units = _Units()
        for number, line in enumerate(chain.from_iterable(self.batches(_BATCH_LINES)), 1):
            try:
                trial = _trial_decoder.decode(line)
            except UNDECODABLE as error:
                self.problems.append(undecodable(number, line, error))
                continue
            if problem := self._unusable(number, trial, seen, line):
                self.problems.append(problem)
                continue
            seen.add(trial.number)
            faults = units.faults(trial)
            self.problems += [Problem(number, kind, what, excerpt(line)) for kind, what in faults]
            yield marked_invalid(trial, (what for _, what in faults)) if faults else trial

    def _unusable(self, number: int, trial: Trial, seen: set[int], line: bytes) -> Problem | None:
        if fault := range_fault(trial.number, trial.block, trial.invocation, trial.position):
            return Problem(number, "unreadable", no_trial_text(fault), excerpt(line))
        if trial.run != self.manifest.run:
            return Problem(number, "foreign", foreign_text(trial.run, self.manifest.run), excerpt(line))
        if trial.number in seen:
            return Problem(number, "duplicate", duplicate_text(trial.number), excerpt(line))
        return None


def foreign_text(run: str, expected: str) -> str:
    """Describe a trial that belongs to another run."""
    return say("problem.foreign", "belongs to run {run!r}, not {expected!r}", run=run, expected=expected)


def duplicate_text(number: int) -> str:
    """Describe a trial whose number was used before."""
    return say(
        "problem.duplicate", "trial {number} is here a second time; the first one counts", number=number
    )


def marked_invalid(trial: Trial, faults: Iterable[str]) -> Trial:
    """Return the trial with outcome ``invalid``, its reason extended by the faults."""
    reason = listed([trial.reason, *faults] if trial.reason else faults)
    return msgspec.structs.replace(trial, outcome="invalid", reason=reason)


class _Format(msgspec.Struct):
    format: int


_manifest_decoder = msgspec.json.Decoder(Manifest)


def run_folder(path: Path) -> Path:
    """Return the run's folder for a path to it or to one of its two files."""
    return path.parent if path.name in {MANIFEST, TRIALS} and not path.is_dir() else path


def load_run(path: Path | str) -> Run:
    """Open the run at ``path``: its folder, or one of the two files in it. Reads the manifest only.

    A run whose writer ended without a word (killed, or on a full disk) is ``interrupted``, whatever its manifest says.

    Raises:
        ResultError: there is no manifest, it is damaged, or a newer tare made it.
    """
    folder = run_folder(Path(path))
    manifest_path = folder / MANIFEST
    try:
        data = read_plain(manifest_path)
    except (FileNotFoundError, NotADirectoryError):
        raise ResultError(_no_manifest(folder)) from None
    except OSError as error:
        raise ResultError(say(
            "file.no_manifest", "cannot read {manifest_path}: {strerror}.",
            manifest_path=manifest_path, strerror=error.strerror,
        )) from error  # fmt: skip
    with suppress(*UNDECODABLE):
        # Nearly all are of the present format, and a list reads very many.
        manifest = _manifest_decoder.decode(data)
        if manifest.format == FORMAT_VERSION:
            return Run(folder, _as_it_is(folder, manifest), FORMAT_VERSION)
    try:
        # The version first: a newer manifest may have fields that this version cannot decode.
        version = msgspec.json.decode(data, type=_Format).format
        check_version(version, str(manifest_path))
        raw = upgrade_manifest(msgspec.json.decode(data, type=dict[str, Any]))
        manifest = msgspec.convert(raw, Manifest)
    except UNDECODABLE as error:
        raise ResultError(say(
            "file.manifest_damaged",
            "{manifest_path} is cut or damaged ({error}). Its trials are untouched in {folder}; restore the manifest from a copy, or measure again.",
            manifest_path=manifest_path, error=error, folder=folder / TRIALS,
        )) from error  # fmt: skip
    return Run(folder, _as_it_is(folder, manifest), version)


def _as_it_is(folder: Path, manifest: Manifest) -> Manifest:
    """Correct the status of a run that nobody makes any more: who dies, or finds the disk full, cannot record that."""
    if manifest.status != "running" or is_written(folder):
        return manifest
    return msgspec.structs.replace(manifest, status="interrupted")


def is_written(folder: Path) -> bool:
    """Tell whether a process writes the run in a folder: it holds a lock on the trials. True where that cannot be seen.

    Opening does not wait, since the file may be a pipe.
    """
    try:
        file = os.open(folder / TRIALS, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def _no_manifest(folder: Path) -> str:
    if not folder.exists():
        return say(
            "load.no_run", "there is no run at {folder}. `tare history` lists the runs; --results-dir says where they are.",
            folder=folder,
        )  # fmt: skip
    if (folder / TRIALS).exists():
        return say(
            "load.no_manifest", "{folder} has trials but no {manifest}: restore it from a copy to read the run.",
            folder=folder, manifest=MANIFEST,
        )  # fmt: skip
    return say(
        "load.not_a_run", "{folder} is not a run: it has no {manifest}. Give the folder of a run, its id, or its name.",
        folder=folder, manifest=MANIFEST,
    )  # fmt: skip
