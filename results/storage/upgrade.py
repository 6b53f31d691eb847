"""Upgrade files of older versions of the record to the present one.

A version is raised when an old reader would misread a new file; a new optional field does not need one. Each
version has a folder of golden files in ``tests/golden/record-v<N>`` and, once it is old, a :class:`Step`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tare.results.errors import ResultError
from tare.results.record import FORMAT_VERSION
from tare.results.said import say
from tare.results.storage import from_version_1, from_version_2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Raw = dict[str, Any]


class Step(NamedTuple):
    """Functions that turn decoded JSON of one version into that of the next."""

    manifest: Callable[[Raw], Raw]
    trial: Callable[[Raw], Raw]


HISTORY: dict[int, str] = {
    1: "The first version: manifest.json and trials.jsonl.",
    2: "What reports need of notes became fields: details of trials; probes, limits and more of the run. "
    "The plan says by absence what -1 and null said.",
    3: "Plans have streams and a scheduler instead of counts; trials say their stream and what they took; the run says "
    "how its time was used.",
}

STEPS: dict[int, Step] = {
    1: Step(from_version_1.upgrade_manifest, from_version_1.upgrade_trial),
    2: Step(from_version_2.upgrade_manifest, from_version_2.upgrade_trial),
}
"""Version → the step from it to the next one."""


def check_version(version: int, where: str, *, current: int = FORMAT_VERSION) -> None:
    """Raise :class:`ResultError` unless files of ``version`` can be read here.

    Args:
        version: The ``format`` that the manifest names.
        where: The manifest's path, for the error's text.
        current: The version that this code reads.
    """
    if version > current:
        raise ResultError(say(
            "file.newer", "{where} has format {version}, but this tare reads formats up to {current} only: it was made by a "
            "newer tare; upgrade to read it (pip install --upgrade tarebench).",
            where=where, version=version, current=current,
        ))  # fmt: skip
    if version < 1:
        raise ResultError(say(
            "file.never", "{where} has format {version}, which never existed: the file is damaged.",
            where=where, version=version,
        ))  # fmt: skip


def upgrade_manifest(raw: Raw, *, steps: Mapping[int, Step] = STEPS, current: int = FORMAT_VERSION) -> Raw:
    """Bring a decoded manifest of any earlier version up to ``current``."""
    for version in range(int(raw["format"]), current):
        raw = steps[version].manifest(raw) | {"format": version + 1}
    return raw


def upgrade_trial(
    raw: Raw, version: int, *, steps: Mapping[int, Step] = STEPS, current: int = FORMAT_VERSION
) -> Raw:
    """Bring a decoded trial from a run of format ``version`` up to ``current``."""
    for at in range(version, current):
        raw = steps[at].trial(raw)
    return raw
