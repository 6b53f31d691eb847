"""Make manifests, trials and runs for the tests of results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.record import FORMAT_VERSION, Manifest, Metric, Trial

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RUN = "20261123-191748-k3f9"


def manifest(**changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "format": FORMAT_VERSION, "run": RUN, "name": "", "created": "2026-11-23T19:17:48Z", "mode": "default",
        "seed": 7, "status": "running", "host": {}, "context": {"cpu": "A"}, "plan": {}, "versions": {}, "image": {},
    }  # fmt: skip
    return Manifest(**fields | changes)


def metric(value: float, **changes: Any) -> Metric:
    fields: dict[str, Any] = {"name": "wall", "unit": "s", "direction": "lower", "clock": "host-monotonic"}
    return Metric(value=value, **fields | changes)


def trial(number: int, *values: float | Metric, **changes: Any) -> Trial:
    fields: dict[str, Any] = {
        "run": RUN, "workload": "null", "family": "startup", "runner": "bare", "accelerator": "none",
        "block": number, "invocation": number, "outcome": "ok",
    }  # fmt: skip
    metrics = tuple(v if isinstance(v, Metric) else metric(v) for v in values)
    return Trial(number=number, metrics=metrics, **fields | changes)


def write_run(folder: Path, trials: Iterable[Trial | bytes], **changes: Any) -> Path:
    """Write a run as it lies on disk; bytes are written as they are."""
    about = manifest(**changes)
    path = folder / about.run
    path.mkdir(parents=True)
    (path / "manifest.json").write_bytes(msgspec.json.encode(about))
    lines = [t if isinstance(t, bytes) else msgspec.json.encode(t) + b"\n" for t in trials]
    (path / "trials.jsonl").write_bytes(b"".join(lines))
    return path
