"""Implement ``tare calibrate``: measure the false-alarm rate and the power of the judgement on this host."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.commands.shared.options import add_label_option, request_from
from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.errors import Exit
from tare.bench.progress import Lines
from tare.bench.request import layers
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tare.results.record import Trial


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of calibrations."""
    parser.add_argument(
        "--shares",
        type=_shares,
        metavar="P,P",
        help="slowdowns to inject, in percent, 1 to 20 (default: 1,3,5,10,20)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted calibration")
    parser.add_argument(
        "--analyse",
        action="store_true",
        help="measure nothing: judge this host's last calibration run again",
    )
    parser.add_argument(
        "--keep-in",
        type=Path,
        metavar="DIR",
        help="folder of the calibrations (default: in the cache, where reports look for them)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")
    parser.add_argument("--offline", action="store_true", help="use only what is there; fetch nothing")
    add_label_option(parser)
    layers.add_options(parser, "run", "limits")
    layers.add_language_option(parser)
    parser.set_defaults(mode="default", carry=[])


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, store the rates and print them; exit 130 if interrupted, 4 if something could not be removed."""
    from tare.bench.analysis.calibration import BUDGET_SECONDS, SHARES, Wanted, calibrate  # noqa: PLC0415
    from tare.bench.analysis.calibration_lookup import calibration_folder  # noqa: PLC0415
    from tare.bench.campaign.run import record_undoing  # noqa: PLC0415
    from tare.runners.host.facts import host_class, host_facts  # noqa: PLC0415

    arguments.trailing = ()
    request = request_from(arguments)
    request = request.with_run(runners=request.settings.run.runners or ("bare", "namespaces"))
    host = host_class(host_facts(None))
    folder = calibration_folder(host, arguments.keep_in)
    load = [] if arguments.analyse else [os.getloadavg()[0]]
    if arguments.analyse:
        run_dir = _last(folder / "runs")
        interrupted = left = False
    else:
        wanted = Wanted(
            arguments.shares or SHARES,
            request.settings.run.budget_seconds or BUDGET_SECONDS,
            request.settings.run.blocks,
        )
        measured = calibrate(
            request,
            wanted,
            folder / "runs",
            Lines(language=speaker_of(arguments).language),
            go_on=arguments.resume,
        )
        run_dir, interrupted = measured.run_dir, measured.interrupted
        left = bool(record_undoing(measured))
    if interrupted:
        return Exit.INTERRUPTED
    _conclude(arguments, run_dir, folder, host, [*load, os.getloadavg()[0]] if load else [])
    return Exit.SOME_FAILED if left else Exit.OK


def _conclude(
    arguments: argparse.Namespace, run_dir: Path, folder: Path, host: str, load: list[float]
) -> None:
    # pandas must not be in memory while something is measured.
    from tare.bench.analysis import calibration_tables as tables  # noqa: PLC0415
    from tare.results.judgement import calibration  # noqa: PLC0415
    from tare.results.judgement.thresholds import DEFAULT_THRESHOLD  # noqa: PLC0415
    from tare.results.storage.load import load_run  # noqa: PLC0415

    stored = load_run(run_dir)
    path = calibration.path_in(folder)
    if not load and (before := calibration.read_calibration(path)) and before.run == stored.manifest.run:
        load = before.load
    speaker = speaker_of(arguments)
    speaker.note(say("terminal.judging", "judging"))
    found = calibration.Calibration(
        format=calibration.FORMAT,
        host_class=host,
        created=stored.manifest.created,
        run=stored.manifest.run,
        threshold=DEFAULT_THRESHOLD,
        blocks=_blocks(stored.trials()),
        rates=calibration.rates(stored, DEFAULT_THRESHOLD, seed=stored.manifest.seed),
        load=load,
    )
    calibration.write_calibration(found, path)
    if arguments.json:
        print(tables.as_json(found))
    elif arguments.markdown:
        print(tables.as_markdown(found, speaker.tell))
    else:
        print(tables.as_text(found, speaker.tell))
    speaker.note(say("terminal.stored_in", "stored in {path}", path=path))


def _blocks(trials: Iterable[Trial]) -> int:
    """Count the blocks of the kind that has fewer of them."""
    by_workload: dict[str, set[int]] = {}
    for trial in trials:
        by_workload.setdefault(trial.workload, set()).add(trial.block)
    return min(map(len, by_workload.values()), default=0)


def _last(runs: Path) -> Path:
    from tare.results.storage.find import list_runs  # noqa: PLC0415

    known = list_runs(runs)
    if not known:
        raise UsageError(say(
            "calibration.none", "there is no calibration run in {runs}: measure with `tare calibrate`.",
            runs=runs,
        ))  # fmt: skip
    return known[-1].path


def _shares(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) / 100 for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            say("calibration.no_list", "{text!r} is not a list of percentages, such as 3,5,10", text=text)
        ) from None
    if not all(0 < share <= 1 for share in found):
        raise argparse.ArgumentTypeError(
            say("calibration.percentages", "give percentages above 0, at most 100")
        )
    return found
