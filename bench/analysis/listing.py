"""List stored runs with what is known of each: date, mode, host class, origin, labels, and how often each verdict was given.

Verdicts take seconds to form. Whoever forms them for a report keeps their counts beside the run in ``verdicts.json``, which
is derived from the trials, holds as long as these do not change, and may be deleted.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from tare.results.errors import ResultError
from tare.results.plain_files import read_plain
from tare.results.record import CONTROL_SUFFIX, Provenance
from tare.results.storage.atomic import write_whole
from tare.results.storage.find import entry_of, run_folders
from tare.results.storage.load import TRIALS, load_run
from tare.results.stores.model import RunHead, head_of
from tare.runners.host.facts import host_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tare.results.judgement.comparison import Comparison
    from tare.results.record import Manifest

VERDICTS = "verdicts.json"
"""Name of the file with the counts, in the run's folder."""

IMPORTED = "imported"
"""Host class of imported runs, whose host is not known."""

_VERSION = 1


class VerdictCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Number of comparisons of a run by verdict: each workload under each runner counts once."""

    worse: int = 0
    better: int = 0
    same: int = 0
    undecided: int = 0


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    size: int
    changed_ns: int
    counts: VerdictCounts


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One stored run in a list of runs."""

    path: Path
    head: RunHead
    """Facts of its manifest. If that cannot be read, the status is ``damaged``, and host class and provenance are empty."""
    verdicts: VerdictCounts | None
    """``None`` where no report has been written since the run was last changed."""
    unreadable: str = ""
    """Reason why the manifest cannot be read, as a sentence with the remedy; empty if it can."""
    copied: bool = False
    """Another folder has a run of the same id, so that only the path says which one is meant."""

    def as_json(self) -> dict[str, object]:
        """Return everything in JSON's types."""
        return {
            **head_json(self.head),
            "verdicts": msgspec.to_builtins(self.verdicts),
            "unreadable": self.unreadable or None,
            "path": str(self.path),
        }


def head_json(head: RunHead) -> dict[str, object]:
    """Return what a run is and where it comes from, in JSON's types."""
    origin = head.provenance
    return {
        "run": head.run,
        "name": head.name,
        "created": head.created,
        "mode": head.mode,
        "status": head.status,
        "host_class": head.host_class,
        "commit": origin.commit or None,
        "branch": origin.branch or None,
        "dirty": origin.dirty,
        "argv": list(origin.argv),
        "labels": origin.labels,
    }


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on runs; all of them have to hold, and empty ones hold always."""

    host_class: str = ""
    mode: str = ""
    branch: str = ""
    commit: str = ""
    """Beginning of a commit's hash."""
    labels: Mapping[str, str] = field(default_factory=dict)

    def admits_head(self, head: RunHead) -> bool:
        """Tell whether a run meets the conditions."""
        return self.admits(head.host_class, head.mode, head.provenance)

    def admits(self, of_class: str, mode: str, origin: Provenance) -> bool:
        """Tell whether a run of a host class, mode and origin meets the conditions."""
        return (
            self.host_class in {"", of_class}
            and self.mode in {"", mode}
            and self.branch in {"", origin.branch}
            and origin.commit.startswith(self.commit)
            and all(origin.labels.get(key) == value for key, value in self.labels.items())
        )


def class_of(manifest: Manifest) -> str:
    """Return the host class of a run; :data:`IMPORTED` if its host is not known."""
    return host_class(manifest.host) if manifest.host else IMPORTED


def listed(results_dir: Path) -> list[ListedRun]:
    """List the runs of a folder, oldest first."""
    found = [_listed(path) for path in run_folders(results_dir)]
    times = Counter(one.head.run for one in found)
    found = [replace(one, copied=times[one.head.run] > 1) for one in found]
    return sorted(found, key=lambda one: (one.head.run, str(one.path)))


def meeting(conditions: Filter, runs: Iterable[ListedRun]) -> list[ListedRun]:
    """Choose the runs that meet the conditions; those that cannot be read meet only empty ones."""
    return [
        one
        for one in runs
        if (conditions == Filter() if one.unreadable else conditions.admits_head(one.head))
    ]


def _listed(path: Path) -> ListedRun:
    try:
        about = load_run(path).manifest
    except ResultError as error:
        entry = entry_of(path)
        head = RunHead(
            run=entry.run, name=entry.name, created=entry.created, mode=entry.mode, status="damaged",
            host_class="", provenance=Provenance(),
        )  # fmt: skip
        return ListedRun(path, head, None, unreadable=str(error))
    return ListedRun(path, head_of(about, class_of(about)), read_verdicts(path))


def count_verdicts(comparisons: Iterable[Comparison]) -> VerdictCounts:
    """Count the verdicts of a run's comparisons: by time, or by CPU where time decides nothing. Controls are left out."""
    from tare.results.judgement.answers import decided, pair_answers  # noqa: PLC0415 - lists are made without it

    counts = dict.fromkeys(VerdictCounts.__struct_fields__, 0)
    for row in pair_answers(comparisons):
        if not row.time.runner.endswith(CONTROL_SUFFIX):
            judged = row.cpu if row.cpu is not None and not decided(row.time) else row.time
            counts[judged.verdict] += 1
    return VerdictCounts(**counts)


def keep_verdicts(run_dir: Path, counts: VerdictCounts) -> None:
    """Keep counts beside a run, atomically. If the folder cannot be written to, they are not kept, and it is no error."""
    path = run_dir / VERDICTS
    with suppress(OSError):
        size, changed = _facts(run_dir)
        kept = _Kept(version=_VERSION, size=size, changed_ns=changed, counts=counts)
        write_whole(path, msgspec.json.encode(kept))


def read_verdicts(run_dir: Path) -> VerdictCounts | None:
    """Read a run's counts; ``None`` if none are kept, or the trials have changed since."""
    try:
        kept = msgspec.json.decode(read_plain(run_dir / VERDICTS), type=_Kept)
        fits = (kept.version, kept.size, kept.changed_ns) == (_VERSION, *_facts(run_dir))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return kept.counts if fits else None


def _facts(run_dir: Path) -> tuple[int, int]:
    status = (run_dir / TRIALS).stat()
    return status.st_size, status.st_mtime_ns
