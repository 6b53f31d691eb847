"""Implement ``tare clean``: remove what killed runs left behind on this host."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.errors import Exit
from tare.bench.request import layers
from tare.bench.request.setting import defaults
from tare.results.said import listed, say
from tare.runners.errors import TareError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from tare.bench.request.settings import OutputSettings


def options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--dry-run`` and ``--json``."""
    parser.add_argument("--dry-run", action="store_true", help="only list what would be removed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    layers.add_config_option(parser)
    layers.add_language_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Remove every leftover; exit 3 if one could not be removed, after trying the others."""
    from tare.runners import cleanup  # noqa: PLC0415 - options are declared without it
    from tare.runners.containers.engines.private import PrivateDocker, clear_dead  # noqa: PLC0415
    from tare.runners.provision.cache import default_cache  # noqa: PLC0415

    cache = default_cache()
    output = _folders(arguments)
    found = cleanup.find(cache)
    folders = cleanup.find_scratch(cache, output.results_dir, output.baselines_dir)
    lines = [listed(leftover.describe(), ", ") for leftover in found]
    lines += [say("left.scratch", "temporary folder {path}", path=folder) for folder in folders]
    removals: list[Callable[[], object]] = [partial(cleanup.remove, leftover, cache) for leftover in found]
    removals += [partial(cleanup.remove_scratch, folder) for folder in folders]
    resisted = [] if arguments.dry_run else _all_done(removals)
    match PrivateDocker().status():
        case "running":
            lines.append(say(
                "terminal.docker_runs", "The private Docker daemon runs; `tare doctor --unfix docker` ends and removes it."
            ))  # fmt: skip
        case "dead":
            lines.append(say(
                "terminal.docker_dead", "the private Docker daemon, which ended without being undone (only root removes it)"
            ))  # fmt: skip
            if not arguments.dry_run:
                clear_dead()
    if arguments.json:
        print(json.dumps({"found": lines, "dry_run": arguments.dry_run, "resisted": resisted}, indent=2))
    else:
        speaker = speaker_of(arguments)
        speaker.out(*(lines or [say("terminal.nothing_left", "Nothing is left of dead runs.")]))
        for line in resisted:
            speaker.note(line)
    return Exit.ENVIRONMENT if resisted else Exit.OK


def _folders(arguments: argparse.Namespace) -> OutputSettings:
    """Give the folders of runs and baselines; the usual ones if the settings cannot be used: cleaning up needs no others."""
    try:
        return layers.resolve(arguments).output
    except UsageError:
        return defaults().output


def _all_done(removals: Iterable[Callable[[], object]]) -> list[str]:
    """Do all of it, and list why some failed."""
    resisted = []
    for remove in removals:
        try:
            remove()
        except TareError as error:
            resisted.append(str(error))
    return resisted
