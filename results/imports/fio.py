"""Read fio's ``--output-format=json``, of fio 2 (KiB/s, µs) and later (bytes/s, ns)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.imports.model import Imported, ImportFault, Names, Node, Trials, metric, moment_of, trial
from tare.results.said import listed, say

if TYPE_CHECKING:
    from tare.results.record import Metric, Trial

NAME = "fio"
SUMMARY = "fio's --output-format=json"

DIRECTIONS = ("mixed", "read", "write", "trim")
"""The first one that did anything is judged. ``mixed`` is all of them together, under ``unified_rw_reporting``."""

DEFAULTS = {"bs": "4k", "direct": "0", "iodepth": "1", "numjobs": "1", "rw": "read"}
"""What fio takes for the options that decide most, so that giving them as they are makes no difference."""

NOT_COMPARED = frozenset(
    {
        "name", "description", "directory", "filename", "filename_format", "opendir", "output", "output-format",
        "group_reporting", "write_bw_log", "write_lat_log", "write_iops_log", "write_hist_log", "log_avg_msec",
        "eta", "eta-newline", "status-interval", "percentile_list", "clat_percentiles", "lat_percentiles",
    }
)  # fmt: skip
"""Options that say where the files lie or what is printed; every other one must agree before jobs are compared."""

_SIZES = frozenset({"bs", "size", "io_size", "filesize", "offset"})
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def fits(document: Any) -> bool:
    """Return whether a document looks like the output of fio."""
    if not isinstance(document, dict):
        return False
    jobs = document.get("jobs")
    named = isinstance(jobs, list) and jobs and isinstance(jobs[0], dict) and "jobname" in jobs[0]
    return bool(named) or "client_stats" in document or {"jobs", "fio version"} <= document.keys()


def read(document: Any, where: str) -> Imported:
    """Read a document: one invocation, as one process of fio wrote it, whatever the number of its jobs.

    Jobs of one name, options and group ran at the same time (``numjobs``): they are one trial, its IOPS their sum.
    Groups that followed each other are blocks. Jobs of one name and other options are series of their own.

    Raises:
        ImportFault: the document is not valid; the text names the field.
    """
    root = Node(document, where)
    if root.get("client_stats"):
        raise ImportFault(say(
            "import.fio_client", "{where} is of fio's client mode (client_stats), which is not read. Give a server's own file.",
            where=where,
        ))  # fmt: skip
    common = _options(root, "global options")
    groups: dict[tuple[str, str, str], list[Node]] = {}
    for job in root.need("jobs").items():
        own = json.dumps({**common, **_options(job, "job options")}, sort_keys=True)
        group = json.dumps(job.object().get("groupid"))
        groups.setdefault((job.need("jobname").text(), own, group), []).append(job)
    trials, names = Trials(where), Names()
    series: dict[tuple[str, str], str] = {}
    blocks: dict[str, int] = {}
    for (name, own, _), jobs in groups.items():
        title = series.get((name, own)) or series.setdefault((name, own), names.give(name))
        block = blocks[title] = blocks.get(title, -1) + 1
        recorded = jobs[0].get("job options") is not None
        trials.append(_trial(title, jobs, block, _context(json.loads(own)) if recorded else {}))
    metadata = {key: document[key] for key in ("fio version", "global options") if key in document}
    return Imported(tuple(trials.found), metadata=metadata, moment=moment_of(document.get("timestamp")))


def _options(node: Node, key: str) -> dict[str, Any]:
    found = node.get(key)
    return found.object() if found else {}


def _context(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that must agree, each size in its shortest notation."""
    compared = {name: value for name, value in options.items() if name not in NOT_COMPARED}
    return {
        "fio": {
            name: _size(str(value)) if name in _SIZES else value
            for name, value in sorted({**DEFAULTS, **compared}.items())
        }
    }


def _size(text: str) -> str:
    """Return ``4k`` for ``4096``, ``4K`` and ``4KiB``; anything else as it is."""
    match = re.fullmatch(r"([0-9]{1,18})([kmgt]?)(i?b)?", text.strip().lower())
    if match is None:
        return text
    size, power = int(match[1]), _POWERS[match[2]]
    while size and size % 1024 == 0 and power < max(_POWERS.values()):
        size, power = size // 1024, power + 1
    return f"{size}{list(_POWERS)[power]}"


def _trial(name: str, jobs: list[Node], block: int, context: dict[str, Any]) -> Trial:
    metrics: list[Metric] = []
    notes: dict[str, str] = {}
    reason = ""
    for way in DIRECTIONS:
        active = [one for job in jobs if (one := job.get(way)) and _active(one)]
        if not active:
            continue
        found = _Direction(f"fio.{way}", active)
        if found.without_time():
            reason = say(
                "import.fio_no_time",
                "fio measured no time for its {way}s: the job was over too soon",
                way=way,
            )
            continue
        metrics += found.metrics(primary=not metrics)
        if note := found.note():
            notes[f"{way} latency"] = note
    errors = [str(code) for job in jobs if (found_code := job.get("error")) and (code := found_code.whole())]
    if errors:
        reason = say("import.fio_error", "fio reports error {codes}", codes=", ".join(dict.fromkeys(errors)))
    elif metrics:
        reason = ""
    elif not reason:
        reason = say("import.fio_idle", "the job did no I/O")
    done = trial(
        name, *metrics, block=block, invocation=0, outcome="failed" if reason else "ok", reason=reason
    )
    return msgspec.structs.replace(done, context=context, notes=notes)


def _active(direction: Node) -> bool:
    ios = direction.get("total_ios") or direction.get("io_bytes")
    return ios is not None and ios.number() > 0


@dataclass(frozen=True, slots=True)
class _Direction:
    """One direction of the jobs that ran at the same time and did anything in it."""

    prefix: str
    jobs: list[Node]

    def without_time(self) -> bool:
        """Whether fio's clock, which counts milliseconds here, did not move on: its rates are 0 then, not slow."""
        return any(job.need("iops").number() == 0 for job in self.jobs)

    def metrics(self, *, primary: bool) -> list[Metric]:
        rate = sum(job.need("iops").number() for job in self.jobs)
        found = [metric(f"{self.prefix}.iops", rate, "ops/s", "higher", NAME, primary=primary)]
        bandwidths = [_bandwidth(job) for job in self.jobs]
        if None not in bandwidths:
            sum_of_all = sum(one for one in bandwidths if one is not None)
            found.append(metric(f"{self.prefix}.bandwidth", sum_of_all, "bytes/s", "higher", NAME))
        for key, name in (("clat", "latency"), ("lat", "total_latency")):
            latencies = [_Latency.of(job, key) for job in self.jobs]
            measured = [one for one in latencies if one is not None]
            if len(measured) == len(latencies):
                return [*found, *self._latency(measured, f"{self.prefix}.{name}")]
        return found

    def _latency(self, measured: list[_Latency], prefix: str) -> list[Metric]:
        weight = sum(one.count for one in measured)
        mean = sum(one.mean * (one.count / weight) for one in measured)
        values = {"mean": mean, **(measured[0].percentiles if len(measured) == 1 else {})}
        return [metric(f"{prefix}.{name}", value, "s", "lower", NAME) for name, value in values.items()]

    def note(self) -> str:
        """Say what is not known of the latency, or nothing."""
        has = {key: all(_Latency.of(job, key) for job in self.jobs) for key in ("clat", "lat")}
        if not any(has.values()):
            return say(
                "import.fio_no_latency",
                "not measured (gtod_reduce, disable_lat or disable_clat), so there is no latency here",
            )
        notes: list[str] = []
        if not has["clat"]:
            notes.append(
                say(
                    "import.fio_total",
                    "completion latency was not measured, total latency stands for it",
                )
            )
        if len(self.jobs) > 1:
            notes.append(
                say(
                    "import.fio_jobs",
                    "percentiles of {n} concurrent jobs cannot be joined, only their mean",
                    n=len(self.jobs),
                )
            )
        return listed(notes)


def _bandwidth(direction: Node) -> float | None:
    """Bandwidth in bytes/s. Every fio has KiB/s; newer ones have bytes/s besides."""
    if exact := direction.get("bw_bytes"):
        return exact.number()
    rough = direction.get("bw")
    return rough.number() * 1024 if rough else None


@dataclass(frozen=True, slots=True)
class _Latency:
    """Latency of one job in seconds, as it was measured."""

    mean: float
    count: float
    """Measurements; the direction's I/Os if the file does not say (fio 2)."""
    percentiles: dict[str, float]

    @classmethod
    def of(cls, direction: Node, key: str) -> _Latency | None:
        """Read ``clat_ns`` or ``lat_ns`` (fio 2: ``clat``, ``lat`` in µs); nothing where it was switched off, which reads 0."""
        for found, scale in ((direction.get(f"{key}_ns"), 1e9), (direction.get(key), 1e6)):
            mean = found.get("mean") if found else None
            if found is None or mean is None:
                continue
            said = found.get("N") or direction.get("total_ios")
            count = said.number() if said else 1.0
            if not count > 0 or mean.number() == 0:
                continue
            return cls(mean.number() / scale, count, _percentiles(found, scale))
        return None


def _percentiles(latency: Node, scale: float) -> dict[str, float]:
    percentiles = latency.get("percentile")
    if percentiles is None:
        return {}
    values = {
        f"p{share.rstrip('0').rstrip('.') if '.' in share else share}": percentiles.need(share).number()
        / scale
        for share in percentiles.object()
    }
    return {name: value for name, value in values.items() if value != 0}
