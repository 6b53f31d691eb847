"""Implement ``tare config``: show every setting with its value, and with the layer that it comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tare.bench.commands.shared.tables import aligned
from tare.bench.errors import Exit
from tare.bench.request import layers
from tare.bench.request.declarations import by_key, near_key
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from tare.bench.request.layers import Resolved


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the keys, the formats, and the options of all settings."""
    parser.add_argument("keys", nargs="*", metavar="KEY", help="only these settings, such as run.budget")
    parser.add_argument(
        "--show-origin",
        action="store_true",
        help="say where each value comes from: an option, a variable, a settings file or the default",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON: all of the above, and each setting's option, variable, default and help",
    )
    layers.add_options(parser, *layers.TITLES)


def run(arguments: argparse.Namespace) -> int:
    """Print the settings as they would hold for a run with these options; the exit code is 0."""
    for key in arguments.keys:
        if key not in by_key():
            raise UsageError(say(
                "settings.unknown", "there is no setting {key}{near_key} There are {names}.",
                key=key, near_key=near_key(key), names=", ".join(by_key()),
            ))  # fmt: skip
    resolved = [
        one
        for one in layers.resolve_each(arguments)
        if not arguments.keys or one.setting.key in arguments.keys
    ]
    if arguments.json:
        print(json.dumps([_as_json(one) for one in resolved], indent=2))
        return Exit.OK
    rows = [(one.setting.key, one.setting.text(one.value) or "-", str(one.origin)) for one in resolved]
    print("\n".join(aligned(rows if arguments.show_origin else [row[:2] for row in rows])))
    return Exit.OK


def _as_json(one: Resolved) -> dict[str, object]:
    setting = one.setting
    return {
        "key": setting.key,
        "value": setting.text(one.value) or None,
        "origin": {"kind": one.origin.kind, "name": one.origin.name or None},
        "default": setting.text(setting.default) or None,
        "option": setting.long,
        "variable": setting.variable,
        "metavar": None if setting.read.flag else setting.metavar,
        "help": setting.help,
        "accepts": setting.read.accepts,
        "example": setting.read.example,
    }
