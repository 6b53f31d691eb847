"""Keep runs to compare with as baselines: ``<baselines-dir>/<host class>/<name>/``.

A baseline is a copy of a run's folder, so that everything that reads runs reads it. ``<host class>/USE`` names the one
that ``tare compare baseline`` means on hosts of that class.
"""

from __future__ import annotations

import datetime
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tare.results.errors import NotWritten, ResultError
from tare.results.plain_files import read_plain
from tare.results.said import listed, say
from tare.results.scratch import scratch_folder
from tare.results.storage.atomic import write_whole
from tare.results.storage.load import MANIFEST, TRIALS, load_run
from tare.runners.errors import UsageError
from tare.runners.host.facts import context_facts, host_class, host_facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.results.record import Manifest

USE = "USE"
"""Name of the file that names the baseline in use."""
MOST_DAYS = 90
"""Age in days above which a baseline is stale: too much has changed that no fact records."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST_FACTS = ("cpu.", "kernel.", "memory.", "virtualisation.", "container", "workdir.")


@dataclass(frozen=True, slots=True)
class ThisHost:
    """This host's class and facts, and the date: they decide whether a baseline may be used."""

    host_class: str
    context: Mapping[str, Any]
    """Facts that must agree with the baseline's, as a manifest's ``context`` has them."""
    now: datetime.datetime

    @classmethod
    def read(cls, workdir: Path | None = None) -> Self:
        """Read the host's facts and clock."""
        facts = host_facts(workdir)
        return cls(host_class(facts), context_facts(facts), datetime.datetime.now(datetime.UTC))


@dataclass(frozen=True, slots=True)
class Baseline:
    """A run that is kept to compare with."""

    path: Path
    host_class: str
    manifest: Manifest | None
    """``None`` if the baseline is damaged."""
    used: bool
    """``tare compare baseline`` means it on hosts of its class."""
    refusals: tuple[str, ...]
    """Reasons against using it on this host today; empty if there are none."""

    @property
    def name(self) -> str:
        """Return the name by which ``use`` and ``compare`` know it."""
        return self.path.name


def save(run_dir: Path, folder: Path, name: str = "") -> Path:
    """Keep a run as a baseline; return the baseline's folder, which appears whole or not at all.

    Raises:
        UsageError: the run may not become one, or the name is taken or invalid.
        NotWritten: the folder cannot be written to.
        ResultError: the run cannot be read.
    """
    run = load_run(run_dir)
    manifest = run.manifest
    name = name or manifest.name or manifest.run
    if not _NAME.fullmatch(name):
        raise UsageError(say(
            "baseline.bad_name", "{name!r} is not a name for a baseline: use letters, digits, dots and hyphens; --name sets one.",
            name=name,
        ))  # fmt: skip
    if why := unfit(manifest):
        raise UsageError(say(
            "baseline.refused_run", "run {run} cannot become a baseline: {why}",
            run=manifest.run, why=why,
        ))  # fmt: skip
    if not any(trial.outcome == "ok" for trial in run.trials()):
        raise UsageError(say(
            "baseline.no_values", "run {run} cannot become a baseline: no trial in it is ok. Measure again.",
            run=manifest.run,
        ))  # fmt: skip
    target = folder / host_class(manifest.host) / name
    if target.exists():
        raise UsageError(say(
            "baseline.exists", "a baseline {name} for {name2} exists already: choose another --name.",
            name=name, name2=target.parent.name,
        ))  # fmt: skip
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder("save", target.parent) as partial:
            for file in (MANIFEST, TRIALS):
                shutil.copyfile(run.path / file, partial / file)
            partial.chmod(0o755)
            partial.rename(target)
    except OSError as error:
        raise NotWritten(say(
            "file.no_baselines", "cannot write {target}: {strerror}. Choose another --baselines-dir.",
            target=target, strerror=error.strerror,
        )) from error  # fmt: skip
    return target


def unfit(manifest: Manifest) -> str:
    """Return why a run can never be a baseline; empty if it can."""
    if manifest.mode == "quick":
        return say("baseline.quick", "quick runs never are: they have too few samples. Run without --quick.")
    if manifest.mode == "imported":
        return say("baseline.imported", "it is imported, so its host is not known. Compare with it by name.")
    if manifest.status != "complete":
        return say(
            "baseline.unfinished", "it is {status}. Finish it with `tare run --resume {run}`.",
            status=manifest.status, run=manifest.run,
        )  # fmt: skip
    return ""


def all_baselines(folder: Path, here: ThisHost) -> list[Baseline]:
    """List every baseline of every host class, with the reasons against using it here and now."""
    found = []
    for manifest_path in sorted(folder.glob(f"*/*/{MANIFEST}")):
        path = manifest_path.parent
        used = _used(path.parent) == path.name
        try:
            manifest = load_run(path).manifest
        except ResultError as error:
            found.append(Baseline(path, path.parent.name, None, used, (str(error),)))
            continue
        found.append(
            Baseline(path, path.parent.name, manifest, used, refusals(manifest, path.parent.name, here))
        )
    return found


def refusals(manifest: Manifest, of_class: str, here: ThisHost) -> tuple[str, ...]:
    """List the reasons against using a baseline here: unfit, misplaced, foreign, stale."""
    if why := unfit(manifest):
        return (why,)
    own = host_class(manifest.host)
    if own != of_class:
        return (say(
            "baseline.misplaced", "it is stored under {of_class} but was measured on {own}: it was moved or edited.",
            of_class=of_class, own=own,
        ),)  # fmt: skip
    if own != here.host_class:
        return (say(
            "baseline.foreign", "foreign: it was measured on {own}; this host is {here}.", own=own, here=here.host_class
        ),)  # fmt: skip
    found = []
    try:
        days = (here.now - datetime.datetime.fromisoformat(manifest.created)).days
    except (ValueError, TypeError):
        found.append(
            say("baseline.bad_date", "its date {created!r} cannot be read.", created=manifest.created)
        )
    else:
        if days > MOST_DAYS:
            found.append(
                say(
                    "baseline.old",
                    "stale: it is {days} days old, more than {most}.",
                    days=days,
                    most=MOST_DAYS,
                )
            )
        if days < 0:
            found.append(say(
                "baseline.future", "its date {created} is in the future: check the clock.", created=manifest.created
            ))  # fmt: skip
    for name, value in here.context.items():
        then = manifest.context.get(name)
        if then != value and name.startswith(_HOST_FACTS):
            found.append(say(
                "baseline.changed", "stale: {name} was {then}, is now {value}.", name=name, then=then, value=value
            ))  # fmt: skip
    return tuple(found)


def use(name: str, folder: Path, here: ThisHost) -> Baseline:
    """Put a baseline into use for this host's class.

    Raises:
        UsageError: no baseline has that name, or it is stale or foreign.
    """
    known = all_baselines(folder, here)
    own = [one for one in known if one.name == name and one.host_class == here.host_class]
    chosen = next(iter(own or [one for one in known if one.name == name]), None)
    if chosen is None:
        names = ", ".join(f"{one.name} ({one.host_class})" for one in known) or say(
            "baseline.none_known", "none; `tare baseline save` makes one"
        )
        raise UsageError(say(
            "baseline.unknown", "no baseline is named {name!r} in {folder}. Known: {names}.",
            name=name, folder=folder, names=names,
        ))  # fmt: skip
    _refuse(chosen)
    write_whole(chosen.path.parent / USE, f"{name}\n".encode())
    return chosen


def used_here(folder: Path, here: ThisHost) -> Path:
    """Return the folder of the baseline in use on this host.

    Raises:
        UsageError: none is in use, or it may not be used today.
    """
    for one in all_baselines(folder, here):
        if one.used and one.host_class == here.host_class:
            _refuse(one)
            return one.path
    raise UsageError(say(
        "baseline.none_in_use",
        "no baseline is in use for hosts of class {host_class}: `tare baseline save RUN`, then `tare baseline use NAME`.",
        host_class=here.host_class,
    ))  # fmt: skip


def _refuse(one: Baseline) -> None:
    if one.refusals:
        reasons = listed(("", *one.refusals), "\n  ")
        raise UsageError(say(
            "baseline.refused", "baseline {name} is refused:{reasons}\nMeasure and save a new one.",
            name=one.name, reasons=reasons,
        ))  # fmt: skip


def _used(folder: Path) -> str:
    try:
        return read_plain(folder / USE).decode().strip()
    except (OSError, UnicodeDecodeError):
        return ""
