"""Find and read the files with definitions: ``tare.toml``, and ``workloads/*.toml`` beside it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.own.checking import Problem, check
from tare.bench.settings_files import CONFIG_FILE, PROJECT_FILE, file_in, named_file, prefix_of, tables_of
from tare.results.nearest import did_you_mean
from tare.results.said import say, shown
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.bench.own.definition import Definition

FOLDER = "workloads"
"""Folder of the files of definitions, beside the settings file."""
TABLE = "workloads"
"""Table of the definitions."""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """Content of one file with definitions."""

    path: Path
    definitions: Mapping[str, Definition]
    """Name → definition, for those that are right."""
    problems: tuple[str, ...]
    """Sentences about the rest, each with the file's name and the line."""


def read_file(path: Path) -> OwnFile:
    """Read the definitions of a file; problems with what is in it are part of the answer.

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    document, above = tables_of(path), prefix_of(path)
    lines = path.read_text("utf-8-sig").splitlines()
    tables = document.get(TABLE, {})
    problems = [] if path.name in {CONFIG_FILE, PROJECT_FILE} else list(_strangers(document))
    if not isinstance(tables, dict):
        problems.append(Problem((TABLE,), "definitions are tables, as under [workloads.NAME]."))
        tables = {}
    found = {name: check(name, raw) for name, raw in tables.items()}
    problems += [one for one in found.values() if isinstance(one, Problem)]
    return OwnFile(
        path,
        {name: one for name, one in found.items() if not isinstance(one, Problem)},
        tuple(
            say(
                "own.problem",
                "{path}{line}: {key}: {text}",
                path=path,
                line=_line(lines, (*above, *one.keys)),
                key=_told(one.keys),
                text=one.text,
            )
            for one in problems
        ),
    )


def _told(keys: tuple[str, ...]) -> str:
    return ".".join(shown(key) for key in keys[1:] or keys)


def _strangers(document: Mapping[str, object]) -> Iterable[Problem]:
    for key in document:
        if key != TABLE:
            yield Problem(
                (key,),
                say(
                    "own.tables",
                    "definitions are in tables like [workloads.{key}]{near}",
                    key=key,
                    near=did_you_mean(key, (TABLE,)),
                ),
            )


def _line(lines: list[str], keys: tuple[str, ...]) -> str:
    """Find the line of a key by its name and by the headers above it: tomllib tells no lines. Empty: it is not found."""
    best: tuple[int, int] | None = None
    above: tuple[str, ...] = ()
    wanted = list(keys)
    for number, line in enumerate(lines, 1):
        header = re.match(r"\s*\[+\s*([^\]#]+?)\s*\]", line)
        if header:
            above = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            parts = list(above)
        elif assigned := re.match(r"\s*([\w.\"' +-]+?)\s*=", line):
            parts = [*above, *(part.strip().strip("\"'") for part in assigned[1].split("."))]
        else:
            continue
        if wanted[: len(parts)] == parts and (not best or len(parts) > best[1]):
            best = (number, len(parts))
    return f":{best[0]}" if best else ""


def own_files(config: Path | None = None) -> tuple[Path, ...]:
    """List the files that may have definitions.

    Args:
        config: settings file. ``None``: ``$TARE_CONFIG``, or the one in the working directory, if it is there. Those in folders above are not
            looked into: the commands of definitions name files of the working directory.
    """
    chosen = named_file(config) or file_in(Path()) or Path(CONFIG_FILE)
    more = sorted((chosen.parent / FOLDER).glob("*.toml"))
    return (*((chosen,) if os.path.lexists(chosen) else ()), *more)


def read_own(paths: Iterable[Path]) -> dict[str, Definition]:
    """Read all definitions: name → definition.

    Raises:
        UsageError: there is something wrong with one, or a name is there twice.
    """
    found: dict[str, Definition] = {}
    places: dict[str, Path] = {}
    for path in paths:
        one = read_file(path)
        if one.problems:
            first, others = one.problems[0], len(one.problems) - 1
            if not others:
                raise UsageError(first)
            raise UsageError(say(
                "own.problems", "{first} (and {others} more: `tare workloads check {path}`)",
                first=first, others=others, path=path,
            ))  # fmt: skip
        for name, definition in one.definitions.items():
            if name in found:
                raise UsageError(say(
                    "own.twice", "{path}: there is a workload {name} in {places} already; give it another name.",
                    path=path, name=name, places=places[name],
                ))  # fmt: skip
            found[name], places[name] = definition, path
    return found
