"""Implement ``tare ab``: compare two versions of anything, interleaved in one run on one machine.

``--base CMD --head CMD`` compares two commands, in each runner asked for. ``--base-set KEY=VALUE --head-set KEY=VALUE``
compares two settings under which the same workloads run: two images (``run.image=FILE``), two guest kernels
(``guest.kernel``), two VMMs (``guest.qemu``), two runtimes' binaries (``run.tools=runc=PATH``), …

Whatever differs between two days or two machines affects both versions alike and cancels, so CI should use this.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.bench.commands.shared import output
from tare.bench.commands.shared.options import (
    add_label_option,
    add_request_options,
    counting_is_asked_for,
    request_from,
)
from tare.bench.commands.shared.own_options import add_own_options, duets_are_open, with_own
from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.errors import EnvironmentMissing, Exit
from tare.bench.request import layers
from tare.bench.request.declarations import override
from tare.bench.request.request import CommandVersion, SettingsVariant
from tare.results.said import listed, say
from tare.runners.errors import SettingRefused, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tare.bench.request.request import Request
    from tare.bench.request.settings import Settings
    from tare.results.judgement.comparison import Comparison

BASE, HEAD = "base", "head"

MAY_DIFFER = ("run.tools", "run.image")
"""Settings besides those of guests that the variants of a run may differ in."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the versions, and the options of a request, of judgement and of output."""
    parser.add_argument("--base", metavar="CMD", help="the old command, quoted as one word")
    parser.add_argument("--head", metavar="CMD", help="the new command, quoted as one word")
    for name, what in ((BASE, "old"), (HEAD, "new")):
        parser.add_argument(
            f"--{name}-set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help=f"a setting of the {what} version: run.image=FILE, guest.kernel=FILE, run.tools=runc=FILE, …",
        )
    layers.add_options(parser, "commands", config=False)
    add_label_option(parser)
    parser.add_argument("--no-report", action="store_true", help="only measure, store and judge")
    output.add_output_options(parser)
    add_request_options(parser)
    add_own_options(parser, several=False)


def run(arguments: argparse.Namespace) -> int:
    """Measure both versions and judge; exit 1 on a regression, 4 if trials failed and none was found."""
    from tare.bench import pipeline  # noqa: PLC0415 - options are declared without it
    from tare.bench.progress import Lines  # noqa: PLC0415
    from tare.reports.summaries.failures import failure_lines  # noqa: PLC0415

    request = _request(arguments)
    finished = pipeline.execute(request, Lines(language=request.settings.output.language))
    # Imports pandas, which must not be in memory while something is measured.
    from tare.bench.analysis.comparison import compare_measured  # noqa: PLC0415

    outcome = compare_measured(finished.run_dir, BASE, HEAD, rules=output.rules_from(arguments))
    language = request.settings.output.language
    output.write_report(outcome, arguments, language)
    if finished.report:
        from tare.bench.analysis.pages import COMPARISON, write_comparison  # noqa: PLC0415 - as above

        write_comparison(outcome, finished.report.parent / COMPARISON, language)
    speaker = speaker_of(arguments)
    results = finished.report or finished.run_dir
    speaker.note(say("terminal.results", "results are in {path}", path=results))
    failed = failure_lines(finished.failures)
    if finished.interrupted:
        return Exit.INTERRUPTED
    if not outcome.compared.comparisons:
        skipped = sorted({t.reason for t in finished.trials if t.outcome == "skipped"})
        reasons = listed((*failed, *skipped), "\n  ") or say("ab.no_block", "no block holds both versions")
        raise EnvironmentMissing(
            say("ab.nothing", "nothing could be compared:\n  {reasons}", reasons=reasons)
        )
    for line in failed:
        speaker.note(line)
    if arguments.duet is None and _duets_would_tell_more(request, outcome.compared.comparisons):
        speaker.note(say(
            "ab.try_duet",
            "Undecided by time and by CPU. If the commands do not wait for a clock or a network, “--duet” may decide: "
            "it compares their CPU time at the same moment on one CPU, which other load on the host disturbs far less.",
        ))  # fmt: skip
    return outcome.exit_code or finished.exit_code


def _request(arguments: argparse.Namespace) -> Request:
    """Ask for two commands in the same runners, or for the same workloads in two variants of each runner.

    Raises:
        UsageError: neither is asked for, or both.
    """
    from tare.bench.planning.modes import PRECISE_SHARE  # noqa: PLC0415 - options are declared without it
    from tare.results.record import BASE as BARE  # noqa: PLC0415

    request = with_own(request_from(arguments), arguments)
    if request.settings.run.precision is None:
        request = request.with_run(precision=output.thresholds_from(arguments).default / PRECISE_SHARE)
    commands, sets = (arguments.base, arguments.head), (arguments.base_set, arguments.head_set)
    if any(sets) == any(commands) or (any(commands) and not all(commands)):
        raise UsageError(say(
            "ab.two_sides", "give two commands, --base CMD --head CMD, or two settings, --base-set KEY=VALUE --head-set KEY=VALUE.",
        ))  # fmt: skip
    if any(commands):
        if request.command:
            raise UsageError(
                say("ab.no_trailing", "the commands are those of --base and --head: give none behind --.")
            )
        versions = tuple(
            CommandVersion(name, _words(getattr(arguments, name), name)) for name in (BASE, HEAD)
        )
        request = replace(request, versions=versions, try_duets=duets_are_open(arguments))
        return request.with_run(runners=request.settings.run.runners or (BARE,))
    if counting_is_asked_for(arguments):
        raise UsageError(say(
            "ab.count_commands", "--count counts the instructions of commands: give --base CMD --head CMD.",
        ))  # fmt: skip
    if not request.settings.run.keyword and not request.command:
        request = request.with_run(keyword="null")
    variants = tuple(
        SettingsVariant(name, _changed(request.settings, given, f"--{name}-set"))
        for name, given in zip((BASE, HEAD), sets, strict=True)
    )
    if not request.settings.run.runners:
        raise SettingRefused(
            "--runners",
            say("ab.which_runners", "say which runners the settings are for, such as qemu-microvm or runc."),
        )
    return replace(request, variants=variants)


def _duets_would_tell_more(request: Request, comparisons: Sequence[Comparison]) -> bool:
    """Tell whether two commands in cheap places are undecided by time and CPU, and no trial said whether they can have duets."""
    from tare.results.judgement.answers import pair_answers  # noqa: PLC0415 - as in `run`
    from tare.results.record import DUET_CPU_TIME  # noqa: PLC0415 - as in `_request`

    if request.try_duets or not request.versions or any(one.metric == DUET_CPU_TIME for one in comparisons):
        return False
    rows = [answers.all for answers in pair_answers(comparisons) if answers.time.accelerator == "none"]
    return any(all(answer.verdict == "undecided" for answer in row) for row in rows)


def _changed(settings: Settings, assignments: Sequence[str], option: str) -> Settings:
    """Apply a variant's KEY=VALUE to the run's settings."""
    for assignment in assignments:
        setting, settings = override(settings, assignment, option)
        if setting.group != "guest" and setting.key not in MAY_DIFFER:
            raise UsageError(say(
                "ab.cannot_differ", "--base-set, --head-set: {key} cannot differ; guest.*, {may_differ} can.",
                key=setting.key, may_differ=" and ".join(MAY_DIFFER),
            ))  # fmt: skip
    return settings


def _words(command: str, name: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(say(
            "ab.not_split", "--{name} {command!r} cannot be split into words: {error}.",
            name=name, command=command, error=error,
        )) from error  # fmt: skip
    if not words:
        raise UsageError(say("ab.empty", "--{name} is empty: give a command.", name=name))
    return words
