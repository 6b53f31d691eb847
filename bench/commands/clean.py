"""``tare clean``: remove what killed runs left on this host."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.errors import Exit
from runners.host import leftovers
from runners.provision.cache import default_cache

if TYPE_CHECKING:
    import argparse


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--dry-run", action="store_true", help="only list what would be removed")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """List, remove, and list what resisted."""
    cache = default_cache()
    found = leftovers.find(cache)
    lines = [line for leftover in found for line in leftover.describe()]
    failures = (
        []
        if arguments.dry_run
        else [line for leftover in found for line in leftovers.remove(leftover, cache)]
    )
    if arguments.json:
        print(json.dumps({"found": lines, "removed": not arguments.dry_run, "resisted": failures}, indent=2))
    else:
        for line in lines:
            print(line)
        verb = "would be removed" if arguments.dry_run else "removed"
        print(
            f"{len(lines)} leftovers of {len(found)} dead runs {verb}."
            if found
            else "Nothing is left of dead runs."
        )
        for line in failures:
            print(f"could not be removed: {line}")
    return Exit.ENVIRONMENT if failures else Exit.OK
