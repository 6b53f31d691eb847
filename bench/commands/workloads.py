"""Implement ``tare workloads``: list everything that can be measured, and check files with the user's own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.commands.shared.tables import aligned
from tare.bench.errors import Exit
from tare.bench.request import layers
from tare.results.said import Name, say
from tare.results.statistics.phrases import count
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence

    from tare.bench.commands.shared.speaking import Speaker, Tell
    from tare.bench.experiments.base import Experiment
    from tare.bench.own.files import OwnFile
    from tare.bench.workloads.base import Workload

_OWN, _OURS = "own", "suite"
_ORIGINS = {_OWN: say("terminal.own", "own"), _OURS: say("terminal.suite", "suite")}
_NAMED = say("terminal.named", "named")
_HEADS = (
    say("terminal.workload", "workload"),
    say("terminal.family", "family"),
    say("terminal.origin", "origin"),
    say("terminal.from_mode", "from mode"),
    say("terminal.needs", "needs"),
    say("terminal.summary", "what is measured"),
)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the two things that it does."""
    parser.add_argument(
        "what", nargs="?", choices=("list", "check"), default="list", help="list (default) or check"
    )
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="check: files with definitions (default: all here)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings file (default: tare.toml, or pyproject.toml with [tool.tare], if it is here)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    layers.add_language_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the list, or what is in the files; exit 2 if there is something wrong with a file."""
    from tare.bench.own.files import own_files, read_file  # noqa: PLC0415 - options are declared without it

    if arguments.files and arguments.what == "list":
        raise UsageError(say(
            "workloads.list_no_file", "tare workloads list takes no file: give tare workloads check {files}.",
            files=arguments.files[0],
        ))  # fmt: skip
    given = arguments.files or own_files(arguments.config)
    read = [read_file(path) for path in given]
    speaker = speaker_of(arguments)
    if arguments.what == "list":
        return _list(read, speaker, as_json=arguments.json)
    if not read:
        raise UsageError(
            say("workloads.no_file", "there is no tare.toml and no workloads/*.toml here: name a file.")
        )
    return _check(read, speaker, as_json=arguments.json)


def _list(read: Sequence[OwnFile], speaker: Speaker, *, as_json: bool) -> int:
    from tare.bench.catalogue import measurables, problems  # noqa: PLC0415 - imports all of them
    from tare.bench.own.expand import expand  # noqa: PLC0415

    own = expand({name: one for file in read for name, one in file.definitions.items()})
    rows = [_row(one, _OURS) for one in measurables()] + [_row(one, _OWN) for one in own]
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        print("\n".join(_table(rows, speaker.tell)))
    for problem in problems():
        speaker.note(problem)
    return _tell_problems(read, speaker)


def _row(one: Workload | Experiment, origin: str) -> dict[str, object]:
    return {
        "name": one.name,
        "family": one.family,
        "origin": origin,
        "kind": one.kind,
        "from_mode": one.from_mode,
        "needs": sorted({*one.programs, *(words[0] for words in one.commands.values())}),
        "summary": one.summary,
        "parameters": {str(key): str(value) for key, value in one.parameters.items()},
    }


def _table(rows: Iterable[Mapping[str, object]], tell: Tell) -> list[str]:
    cells: list[tuple[str, ...]] = [tuple(map(tell, _HEADS))]
    for row in rows:
        needs = row["needs"]
        joined = ", ".join(needs) if isinstance(needs, list) else ""
        cells.append(
            (
                str(row["name"]),
                str(row["family"]),
                tell(_ORIGINS[str(row["origin"])]),
                tell(_NAMED) if row["from_mode"] == "named" else str(row["from_mode"]),
                joined,
                tell(str(row["summary"])),
            )
        )
    explained = say(
        "terminal.from_mode_explained",
        "from mode: the shortest mode that measures it unasked; -k measures it in every mode (docs/workloads.md)",
    )
    return [*aligned(cells), tell(explained)]


def _check(read: Sequence[OwnFile], speaker: Speaker, *, as_json: bool) -> int:
    from tare.bench.own.expand import expand  # noqa: PLC0415 - options are declared without it

    read = [replace(file, problems=(*file.problems, *_hindrances(file))) for file in read]
    made = {
        file.path: [_row(one, _OWN) | {"lacking": _lacking(one)} for one in expand(file.definitions)]
        for file in read
    }
    if as_json:
        found = [
            {"file": str(file.path), "workloads": made[file.path], "problems": list(file.problems)}
            for file in read
        ]
        print(json.dumps(found, indent=2))
    else:
        for file in read:
            speaker.out(say(
                "terminal.own_file", "{path}: {definitions}, {workloads}", path=file.path,
                definitions=count(len(file.definitions), "definition"), workloads=count(len(made[file.path]), "workload"),
            ))  # fmt: skip
            for row in made[file.path]:
                print(f"  {row['name']} ({row['family']}): {speaker.tell(str(row['summary']))}")
                for key, value in _explained(row):
                    print(f"    {speaker.tell(key)}: {speaker.tell(value)}")
    return _tell_problems(read, speaker)


def _explained(row: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    parameters, lacking = row["parameters"], row["lacking"]
    if isinstance(parameters, dict):
        yield from ((Name(key), Name(value)) for key, value in parameters.items())
    for why in lacking if isinstance(lacking, list) else ():
        yield say("terminal.skipped_here", "skipped on this host"), why


def _hindrances(file: OwnFile) -> Iterable[str]:
    """Yield what keeps a file's definitions from being measured from this folder, although they are well written."""
    from tare.bench.catalogue import measurables  # noqa: PLC0415 - imports all of them

    taken = {word for one in measurables() for word in (one.name, one.family)}
    for name, one in file.definitions.items():
        if name in taken:
            yield say(
                "own.taken",
                "{path}: {name}: this is the name of one of the suite's workloads or families: give yours another one.",
                path=file.path, name=name,
            )  # fmt: skip
        for path in one.carry:
            if not Path(path).exists():
                yield say(
                    "own.no_carry", "{path}: {name}.carry: there is no file or folder {carried} in {folder}.",
                    path=file.path, name=name, carried=path, folder=Path.cwd(),
                )  # fmt: skip


def _lacking(one: Workload | Experiment) -> list[str]:
    """List why commands of a workload cannot be carried from this host, so that it would be skipped here."""
    from tare.runners.images.command import check_command  # noqa: PLC0415 - options are declared without it

    found = []
    for words in one.commands.values():
        try:
            check_command(words)
        except UsageError as error:
            found.append(str(error))
    return found


def _tell_problems(read: Sequence[OwnFile], speaker: Speaker) -> int:
    problems = [text for file in read for text in file.problems]
    for text in problems:
        speaker.note(text)
    return Exit.USAGE if problems else Exit.OK
