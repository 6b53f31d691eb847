"""Read fio's ``--output-format=json`` (fio 3 and later)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.results.imports.model import Imported, Node, metric, trial

if TYPE_CHECKING:
    from tare.results.record import Metric, Trial

NAME = "fio"
SUMMARY = "fio's --output-format=json"


def fits(document: Any) -> bool:
    """Return whether a document looks like the output of fio."""
    return isinstance(document, dict) and "jobs" in document and "fio version" in document


def read(document: Any, where: str) -> Imported:
    """Read a document: a trial for each job; jobs of one name are the blocks of one series.

    The primary metric is the IOPS of the first direction (read, write, trim) that did any I/O.
    """
    root = Node(document, where)
    trials: list[Trial] = []
    blocks: dict[str, int] = {}
    for job in root.need("jobs").items():
        name = job.need("jobname").text()
        block = blocks[name] = blocks.get(name, -1) + 1
        metrics: list[Metric] = []
        for way in ("read", "write", "trim"):
            found = job.get(way)
            if found is not None and _active(found):
                metrics += _metrics(found, way, primary=not metrics)
        error = found.whole() if (found := job.get("error")) else 0
        trials.append(
            trial(
                name,
                *metrics,
                block=block,
                invocation=block,
                outcome="failed" if error or not metrics else "ok",
                reason=f"fio reports error {error}" if error else "" if metrics else "the job did no I/O",
            )
        )
    metadata = {key: document[key] for key in ("fio version", "global options") if key in document}
    return Imported(tuple(trials), metadata=metadata)


def _active(direction: Node) -> bool:
    ios = direction.get("total_ios") or direction.get("io_bytes")
    return ios is not None and ios.number() > 0


def _metrics(direction: Node, way: str, *, primary: bool) -> list[Metric]:
    prefix = f"fio.{way}"
    found = [
        metric(f"{prefix}.iops", direction.need("iops").number(), "ops/s", "higher", NAME, primary=primary)
    ]
    if bandwidth := direction.get("bw_bytes"):
        found.append(metric(f"{prefix}.bandwidth", bandwidth.number(), "bytes/s", "higher", NAME))
    if latency := direction.get("clat_ns"):
        if mean := latency.get("mean"):
            found.append(metric(f"{prefix}.latency.mean", mean.number() / 1e9, "s", "lower", NAME))
        if percentiles := latency.get("percentile"):
            for share in percentiles.object():
                value = percentiles.need(share).number() / 1e9
                label = share.rstrip("0").rstrip(".")
                found.append(metric(f"{prefix}.latency.p{label}", value, "s", "lower", NAME))
    return found
