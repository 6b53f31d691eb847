"""Implement ``tare list``: list the stored runs, with what is known of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tare.bench.commands.shared.filters import add_filter_options, filter_from, some
from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.commands.shared.tables import FACTS, aligned, facts, name_and_labels, room
from tare.bench.errors import Exit
from tare.bench.request import layers
from tare.results.said import say

if TYPE_CHECKING:
    import argparse

    from tare.bench.analysis.listing import ListedRun, VerdictCounts
    from tare.bench.commands.shared.speaking import Speaker, Tell


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the conditions and the format."""
    add_filter_options(parser)
    parser.add_argument(
        "--mode",
        choices=("quick", "default", "rigorous", "imported"),
        default="",
        help="only runs of this mode",
    )
    parser.add_argument("--last", type=some, metavar="N", help="only the N newest of them")
    parser.add_argument(
        "--judge",
        action="store_true",
        help="form the verdicts of runs that have no report yet, which takes seconds for each",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    layers.add_options(parser, "output")


def run(arguments: argparse.Namespace) -> int:
    """List the runs, oldest first; the exit code is 0."""
    from tare.bench.analysis.listing import Filter, listed, meeting  # noqa: PLC0415
    from tare.bench.analysis.references import passed_over  # noqa: PLC0415

    wanted = layers.resolve(arguments).output
    folder = wanted.results_dir
    wanted_ones = filter_from(arguments)
    every = listed(folder)
    runs = meeting(wanted_ones, every)
    runs = runs[-arguments.last :] if arguments.last else runs
    speaker = speaker_of(arguments)
    if arguments.judge:
        runs = [_judged(one, speaker) for one in runs]
    if arguments.json:
        print(json.dumps([one.as_json() for one in runs], indent=2))
        return Exit.OK
    tell = speaker.tell
    none = say("terminal.none", "there is no such run in {folder}", folder=folder)
    if wanted_ones == Filter():
        none = say(
            "find.none", "there is no run in {results_dir} yet. `tare run` makes one.", results_dir=folder
        )
    heads = tuple(tell(head) for head in _HEAD)
    rows = [heads, *(_row(one, tell) for one in runs)]
    print("\n".join(aligned(rows, columns=room())) if runs else tell(none))
    for one in runs:
        if one.unreadable:
            speaker.note(one.unreadable)
    if told := passed_over([one.head.run for one in every]):
        speaker.note(told)
    return Exit.OK


def _judged(one: ListedRun, speaker: Speaker) -> ListedRun:
    from dataclasses import replace  # noqa: PLC0415

    from tare.bench.analysis.listing import count_verdicts, keep_verdicts  # noqa: PLC0415
    from tare.bench.analysis.report import report_input  # noqa: PLC0415 - imports pandas
    from tare.results.errors import ResultError  # noqa: PLC0415

    if one.verdicts is not None or one.head.status == "damaged":
        return one
    try:
        counts = count_verdicts(report_input(one.path).comparisons)
    except ResultError as error:
        speaker.note(str(error))
        return one
    keep_verdicts(one.path, counts)
    return replace(one, verdicts=counts)


_HEAD = (*FACTS, say("terminal.verdicts", "verdicts"), say("terminal.name", "name and labels"))


def _row(one: ListedRun, tell: Tell) -> tuple[str, ...]:
    where = tell(say("terminal.in_folder", "in {folder}", folder=one.path)) if one.copied else ""
    about = f"{name_and_labels(one.head)} {where}".strip()
    return (*facts(one.head, tell), _verdicts(one.verdicts, tell), about)


def _verdicts(counts: VerdictCounts | None, tell: Tell) -> str:
    if counts is None:
        return "-"
    told = [
        say("terminal.worse", "{n} worse", n=counts.worse) if counts.worse else "",
        say("terminal.better", "{n} better", n=counts.better) if counts.better else "",
        say("terminal.same", "{n} same", n=counts.same) if counts.same else "",
        say("terminal.open", "{n} open", n=counts.undecided) if counts.undecided else "",
    ]
    return " ".join(tell(one) for one in told if one) or tell(say("condition.none", "none"))
