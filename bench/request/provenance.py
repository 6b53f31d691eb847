"""Record where a run comes from: the commit that is checked out, the command line, and the user's labels."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from typing import TYPE_CHECKING

from tare.results.escapes import in_all_texts, is_one_line, readable
from tare.results.record import Provenance
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

_SECONDS = 10.0
"""Time that git may take. In a huge repository without an index of its own it would hold up a run."""

_BRANCH_VARIABLES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME")
"""Variables of CI services, which check commits out without their branch."""

_STATUS = (
    "git",
    "--no-optional-locks",  # writes nothing into the repository
    *("-c", "core.fsmonitor=false"),  # runs no program that the repository names
    *("status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules=dirty"),
)

_LABEL = re.compile(r"[A-Za-z0-9][\w./-]{0,63}", re.ASCII)
_LONGEST_VALUE = 200


def provenance(
    argv: Sequence[str],
    labels: Mapping[str, str],
    folder: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Provenance:
    """Ask git once about a folder, and put its answer beside the command line and the labels.

    Args:
        argv: words of the command line.
        labels: the user's labels.
        folder: folder that is measured from; ``None``: the working directory.
        environ: environment variables, of which those of CI services may name the branch.
    """
    commit, branch, dirty = _checked_out(folder)
    if commit and not branch:
        branch = next((environ[name] for name in _BRANCH_VARIABLES if environ.get(name)), "")
    return Provenance(
        commit=commit,
        branch=readable(branch),
        dirty=dirty,
        argv=in_all_texts(tuple(argv), readable),
        labels=dict(labels),
    )


def asked_ahead(argv: Sequence[str], labels: Mapping[str, str]) -> Callable[[], Provenance]:
    """Ask git in a thread, since it takes a while; return what waits for the answer and gives the provenance."""
    found: list[Provenance] = []
    thread = threading.Thread(target=lambda: found.append(provenance(argv, labels)), name="git", daemon=True)
    thread.start()

    def answer() -> Provenance:
        thread.join()
        return found[0]

    return answer


def _checked_out(folder: Path | None) -> tuple[str, str, bool | None]:
    """Return commit, branch and whether tracked files differ; empty and ``None`` where git says nothing."""
    try:
        done = subprocess.run(
            _STATUS, cwd=folder, capture_output=True, check=True, stdin=subprocess.DEVNULL, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return "", "", None
    lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    header = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    commit, branch = header.get("branch.oid", ""), header.get("branch.head", "")
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        return "", "", None
    dirty = any(not line.startswith("#") for line in lines)
    return commit, "" if branch == "(detached)" else branch, dirty


def read_labels(given: Iterable[str]) -> dict[str, str]:
    """Read labels from their texts, each ``KEY=VALUE``; of equal keys the last one counts.

    Raises:
        UsageError: one of them is none.
    """
    labels = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or not _LABEL.fullmatch(key) or not is_one_line(value) or len(value) > _LONGEST_VALUE:
            raise UsageError(say(
                "settings.label", "--label: cannot use {text!r}: give KEY=VALUE, such as machine=rack-7; keys have letters, digits "
                "and . _ / - (64 at most), values {longest_value} characters at most, on one line.",
                text=text[:_LONGEST_VALUE], longest_value=_LONGEST_VALUE,
            ))  # fmt: skip
        labels[key] = readable(value)
    return labels
