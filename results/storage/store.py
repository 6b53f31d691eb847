"""Write runs: ``<results-dir>/<run-id>/manifest.json`` and ``trials.jsonl``, one trial a line.

JSONL is the truth; everything else is derived from it. A trial is written to the kernel before
:meth:`RunWriter.append` returns, so killing the process loses nothing; :meth:`RunWriter.sync` protects against
loss of power. Only msgspec and the standard library are imported: this module is loaded while something is measured.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from tare.results.errors import NotWritten, ResultError
from tare.results.escapes import to_json
from tare.results.origins import origins
from tare.results.plain_files import NotPlainError
from tare.results.record import FORMAT_VERSION, Manifest, Metric, NotFinite, Resumption, Trial
from tare.results.said import listed, say
from tare.results.storage.atomic import write_whole
from tare.results.storage.find import find_run, list_runs
from tare.results.storage.load import MANIFEST, TRIALS, Problem, Run, load_run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

__all__ = [
    "Problem",
    "ResultError",
    "Run",
    "RunWriter",
    "find_run",
    "list_runs",
    "load_run",
    "new_run_id",
    "resume",
]

DAMAGED = "trials.damaged"
"""Name of the file to which :func:`resume` moves an incomplete last line."""

_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: read aloud and typed without doubt


def new_run_id(seconds_since_epoch: float | None = None) -> str:
    """Return an id that sorts by time and is unique: ``20261123-191748-k3f9x`` (UTC).

    The two characters behind the seconds are their fraction in 1/1024, so that runs made within one second sort by
    time, too; the last three are random.

    Args:
        seconds_since_epoch: Time of the run; now if ``None``.
    """
    now = time.time() if seconds_since_epoch is None else seconds_since_epoch
    fraction = int(now % 1 * 1024)
    characters = (fraction // 32, fraction % 32, *(byte % 32 for byte in os.urandom(3)))
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    return f"{stamp}-{''.join(_ID_ALPHABET[number] for number in characters)}"


_GO_ON = say("store.go_on", "go on with --resume")


class RunWriter:
    """Appends the trials of one run. A context manager; leaving it does not finish the run.

    Made by :meth:`create` or :func:`resume`. Two writers on one run are refused.
    """

    def __init__(
        self, path: Path, manifest: Manifest, next_number: int, notices: tuple[str, ...] = ()
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.next_number = next_number
        """The number that the next trial must have."""
        self.notices = notices
        """Repairs that :func:`resume` made, as sentences for the user."""
        self._file = _open_locked(path / TRIALS)
        self._contexts: set[str] = set()
        """Texts of contexts whose origin a trial of this writer has recorded: most contexts are those of the trial before."""

    @classmethod
    def create(cls, results_dir: Path | str, manifest: Manifest) -> RunWriter:
        """Make ``<results_dir>/<manifest.run>`` with its manifest and no trials.

        Raises:
            ResultError: the run exists already, or its folder cannot be made.
        """
        path = Path(results_dir) / manifest.run
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError:
            raise ResultError(say(
                "store.exists", "{path} exists already: a run is never overwritten. Use --resume, or a new id.",
                path=path,
            )) from None  # fmt: skip
        except OSError as error:
            raise NotWritten(say(
                "store.not_made", "cannot make {path}: {strerror}. Choose another --results-dir.",
                path=path, strerror=error.strerror,
            )) from error  # fmt: skip
        try:
            _write_manifest(path, manifest, then=say("store.start_again", "start again"))
        except NotWritten:
            # Without a manifest it is no run, and there is nothing to go on with.
            with suppress(OSError):
                path.rmdir()
            raise
        return cls(path, manifest, next_number=0)

    def append(self, trial: Trial) -> Trial:
        """Write one trial to the kernel and return it as it was written.

        If a metric's value is not a finite number, the trial becomes ``invalid``; its reason and
        :attr:`~tare.results.record.Trial.not_finite` name the value.

        Raises:
            ResultError: the trial is not the next one of this run, or it cannot be written. Earlier trials
                stay readable.
        """
        if trial.run != self.manifest.run:
            raise ResultError(say(
                "store.other_run", "trial {number} belongs to run {run!r}, not to {run2!r}.",
                number=trial.number, run=trial.run, run2=self.manifest.run,
            ))  # fmt: skip
        if trial.number != self.next_number:
            raise ResultError(say(
                "store.number", "trial {number} is not the next one of run {run}, which is {next_number}. No number is used twice.",
                number=trial.number, run=self.manifest.run, next_number=self.next_number,
            ))  # fmt: skip
        trial = self._with_origins(_finite(trial))
        self._write(to_json(trial) + b"\n")
        self.next_number += 1
        return trial

    def _with_origins(self, trial: Trial) -> Trial:
        """Record what the trial's texts were made of, those of its context with the first trial that has them."""
        said = (
            {}
            if not trial.reason and trial.details is None
            else origins([trial.reason, trial.remedy, trial.details])
        )
        of_context = {text: one for text, one in origins(trial.context).items() if text not in self._contexts}
        self._contexts |= of_context.keys()
        return msgspec.structs.replace(trial, said=of_context | said) if said or of_context else trial

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        end = os.fstat(self._file).st_size
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            # Half a line would spoil the next one: take it back, so that the file ends with a whole trial.
            os.ftruncate(self._file, end)
            raise NotWritten(_write_failure(self.path / TRIALS, error, self.next_number)) from error

    def sync(self) -> None:
        """Wait until the appended trials are on the disk."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise NotWritten(_write_failure(self.path / TRIALS, error, self.next_number)) from error

    def update(self, **changes: Any) -> None:
        """Replace fields of the manifest (``status``, ``context``, …), atomically."""
        manifest = msgspec.structs.replace(self.manifest, **changes)
        _write_manifest(self.path, manifest)
        self.manifest = manifest

    def finish(self, status: Literal["complete", "interrupted"], **changes: Any) -> None:
        """Sync, and record in the manifest how the run ended, with what else is known by then."""
        self.sync()
        self.update(status=status, **changes)

    def close(self) -> None:
        """Close the file and release its lock. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def resume(run_dir: Path | str, *, budget_seconds: float = 0.0, units: Iterable[str] = ()) -> RunWriter:
    """Reopen a run to append to it; numbering goes on after the highest number.

    A last line that an interrupted write left incomplete is moved to ``trials.damaged``, and
    :attr:`RunWriter.notices` and :attr:`~tare.results.record.Manifest.resumed` say so.

    Args:
        run_dir: Folder of the run.
        budget_seconds: Measuring time that is added to the plan's; then the run may be complete.
        units: What the added time is for; none: all of the plan.

    Raises:
        ResultError: not a run, complete already, of an older format, or being written by another process.
    """
    run = load_run(run_dir)
    if run.manifest.status == "complete" and not budget_seconds:
        raise ResultError(say(
            "store.complete", "run {run} is complete: there is nothing to resume. Extend it: --resume RUN --budget 6m.",
            run=run.manifest.run,
        ))  # fmt: skip
    if run.stored_format != FORMAT_VERSION:
        raise ResultError(say(
            "store.older", "{path} has the older format {stored_format}, which can be read but not continued: start a new run.",
            path=run.path, stored_format=run.stored_format,
        ))  # fmt: skip
    writer = RunWriter(run.path, run.manifest, next_number=0)
    try:
        notices = _mend_last_line(run.path)
        writer.next_number = 1 + max((trial.number for trial in run.trials()), default=-1)
        writer.notices = notices
        again = Resumption(
            at_trial=writer.next_number, notices=notices, budget_seconds=budget_seconds, units=tuple(units)
        )
        # What an earlier session left was tried again at this start.
        writer.update(status="running", resumed=(*run.manifest.resumed, again), not_undone=())
    except BaseException:
        writer.close()
        raise
    return writer


def amend(run_dir: Path, **changes: Any) -> None:
    """Replace fields of the manifest of a run that nobody writes any more, atomically.

    Raises:
        ResultError: it cannot be read or written, or another process writes it.
    """
    run = load_run(run_dir)
    with RunWriter(run.path, run.manifest, next_number=0) as writer:
        writer.update(**changes)


def _mend_last_line(path: Path) -> tuple[str, ...]:
    trials = path / TRIALS
    with trials.open("r+b") as file:
        start = _start_of_unended_line(file.fileno())
        file.seek(start)
        rest = file.read()
        if not rest:
            return ()
        if _is_trial(rest):
            file.write(b"\n")
            return (
                say(
                    "store.line_ended",
                    "The last line of {path} lacked its end, which was added; its trial is whole.",
                    path=trials,
                ),
            )
        with (path / DAMAGED).open("ab") as damaged:
            damaged.write(rest + b"\n")
        file.truncate(start)
        return (
            say("store.line_cut", "The last line of {path} was cut ({size} bytes); it was moved to {name}.",
                path=trials, size=len(rest), name=DAMAGED),
        )  # fmt: skip


def _start_of_unended_line(file: int) -> int:
    """Return the offset after the last newline, searched from the end, because the file may be large."""
    step, end = 65536, os.fstat(file).st_size
    while end:
        begin = max(0, end - step)
        if (found := os.pread(file, end - begin, begin).rfind(b"\n")) >= 0:
            return begin + found + 1
        end = begin
    return 0


def _is_trial(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=Trial)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _finite(trial: Trial) -> Trial:
    bad = _not_finite(trial.metrics)
    if not bad:
        return trial
    names = {one.metric for one in bad if one.part == "value"}
    # JSON has no NaN; msgspec would write null, which reads back as damage.
    metrics: tuple[Metric, ...] = tuple(
        m if m.error is None or math.isfinite(m.error) else msgspec.structs.replace(m, error=None)
        for m in trial.metrics
        if m.name not in names
    )
    found = (
        say("store.error_is", "error of {name} is {text}", name=one.metric, text=one.text)
        if one.part == "error" else
        say("store.value_is", "{name} is {text}", name=one.metric, text=one.text)
        for one in bad
    )  # fmt: skip
    text = say("store.not_finite", "not a finite number: {found}", found=listed(found, ", "))
    return msgspec.structs.replace(
        trial,
        outcome="invalid",
        reason=listed(filter(None, (trial.reason, text))),
        metrics=metrics,
        not_finite=bad,
    )


def _not_finite(metrics: tuple[Metric, ...]) -> tuple[NotFinite, ...]:
    """List what is no finite number: values first, then errors."""
    values = [
        NotFinite(metric=m.name, part="value", text=repr(m.value))
        for m in metrics
        if not math.isfinite(m.value)
    ]
    errors = [
        NotFinite(metric=m.name, part="error", text=repr(m.error))
        for m in metrics
        if m.error is not None and not math.isfinite(m.error)
    ]
    return (*values, *errors)


def _open_locked(path: Path) -> int:
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise NotPlainError(path)
    except OSError as error:
        raise NotWritten(
            say("file.cannot_write", "cannot write {path}: {strerror}.", path=path, strerror=error.strerror)
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise ResultError(say(
            "store.busy", "{path} is being written by another process: wait for it, or end it.",
            path=path,
        )) from None  # fmt: skip
    return file


def _write_manifest(path: Path, manifest: Manifest, then: str = _GO_ON) -> None:
    """Replace the manifest in one step: readers see the old one or the new one, never half of one.

    ``then`` says what to do when the disk is in order again.
    """
    target = path / MANIFEST
    said = manifest.said | origins([manifest.host, manifest.probes, manifest.not_undone])
    manifest = msgspec.structs.replace(manifest, said=said)
    try:
        write_whole(target, msgspec.json.format(to_json(manifest), indent=2) + b"\n", lasting=True)
    except OSError as error:
        raise NotWritten(_write_failure(target, error, None, then)) from error


def _write_failure(path: Path, error: OSError, measured: int | None, then: str = _GO_ON) -> str:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    first = (
        say("store.free_space", "Free some space") if full else say("store.look_at_disk", "Look at the disk")
    )
    if measured is None:
        return say(
            "store.write_failed", "cannot write {path}: {error}. {first}, then {then}.",
            path=path, error=error.strerror, first=first, then=then,
        )  # fmt: skip
    return say(
        "store.append_failed",
        "cannot write {path}: {error}. The {n} trials before it are kept and readable. {first}, then {then}.",
        n=measured, path=path, error=error.strerror, first=first, then=then,
    )  # fmt: skip
