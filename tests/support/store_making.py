"""Make runs to keep in stores, and stores of every kind in temporary folders."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from support.results_making import metric, trial, write_run
from tare.results.record import Provenance

if TYPE_CHECKING:
    from pathlib import Path


def run_id(number: int) -> str:
    return f"20261101-{number:06d}-aaaaa"


def stored_run(folder: Path, number: int, *, trials: int = 4, level: float = 1.0, name: str = "") -> Path:
    """Write run ``number``; its trials are the same whenever it is written, so more of them are an extension."""
    run = run_id(number)
    values = [
        trial(k, metric(level * (1 + k / 100), primary=True), metric(float(k), name="m"), run=run)
        for k in range(trials)
    ]
    origin = Provenance(commit=f"{number:040x}", branch="main", dirty=False, labels={"n": str(number)})
    return write_run(folder, values, run=run, name=name, status="complete", provenance=origin,
                     created=f"2026-11-{1 + number % 28:02d}T00:00:00+00:00")  # fmt: skip


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(folder: Path, name: str = "checkout") -> Path:
    """Make a repository with one commit on the branch ``trunk``."""
    path = folder / name
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "trunk")
    (path / "file").write_text("content")
    git(path, "add", "file")
    git(path, "commit", "-q", "-m", "first")
    return path
