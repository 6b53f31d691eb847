"""Implement ``tare baseline save|list|use``: keep runs to compare with, by host class."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tare.bench.commands.shared.filters import add_run_argument
from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.errors import Exit
from tare.bench.request import layers
from tare.results.said import say

if TYPE_CHECKING:
    import argparse

    from tare.bench.analysis.baselines import Baseline


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the three actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    save = actions.add_parser("save", help="keep a run as a baseline; never a quick or imported one")
    add_run_argument(save)
    save.add_argument("--name", default="", help="name of the baseline (default: the run's name or id)")
    listing = actions.add_parser("list", help="list all baselines, and why some cannot be used here")
    listing.add_argument("--json", action="store_true", help="print JSON")
    use = actions.add_parser("use", help="choose the one that `tare compare baseline` means")
    use.add_argument("name", metavar="NAME")
    for action in (save, listing, use):
        layers.add_options(action, "output")


def run(arguments: argparse.Namespace) -> int:
    """Save, list or choose a baseline; the exit code is 0."""
    from tare.bench.analysis import baselines  # noqa: PLC0415
    from tare.bench.analysis.references import run_folder_of  # noqa: PLC0415

    wanted = layers.resolve(arguments).output
    folder = wanted.baselines_dir
    if arguments.action == "save":
        run_dir = run_folder_of(arguments.reference, wanted)
        print(baselines.save(run_dir, folder, arguments.name))
        return Exit.OK
    here = baselines.ThisHost.read()
    if arguments.action == "use":
        print(baselines.use(arguments.name, folder, here).path)
        return Exit.OK
    known = baselines.all_baselines(folder, here)
    if arguments.json:
        print(json.dumps([_row(one) for one in known], indent=2))
        return Exit.OK
    speaker = speaker_of(arguments)
    speaker.out(say("terminal.this_host", "this host is {host_class}", host_class=here.host_class))
    for one in known:
        created = one.manifest.created if one.manifest else "?"
        print(f"{'*' if one.used else ' '} {one.host_class}/{one.name}  {created}")
        for reason in one.refusals:
            speaker.out(say("terminal.refused_here", "    refused here: {reason}", reason=reason))
    if not known:
        speaker.out(say(
            "terminal.no_baseline", "no baseline in {folder} yet: `tare baseline save RUN` makes one", folder=folder
        ))  # fmt: skip
    return Exit.OK


def _row(one: Baseline) -> dict[str, object]:
    return {
        "name": one.name,
        "host_class": one.host_class,
        "path": str(one.path),
        "run": one.manifest.run if one.manifest else None,
        "created": one.manifest.created if one.manifest else None,
        "used": one.used,
        "refusals": list(one.refusals),
    }
