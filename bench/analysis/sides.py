"""Describe the two sides of a comparison within one run."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tare.bench.request.declarations import SETTINGS

if TYPE_CHECKING:
    from tare.bench.request.request import Request


def sides_of(asked: Request | None, base: str, head: str) -> tuple[str, str]:
    """Return the command of each side, or the settings in which the two differ; empty texts where neither is known."""
    if asked is None:
        return "", ""
    commands = {version.name: shlex.join(version.command) for version in asked.versions}
    if base in commands and head in commands:
        return commands[base], commands[head]
    settings = {variant.name: variant.settings for variant in asked.variants}
    if base not in settings or head not in settings:
        return "", ""
    unlike = [one for one in SETTINGS if one.of(settings[base]) != one.of(settings[head])]

    def told(side: str) -> str:
        return ", ".join(f"{one.key}={one.text(one.of(settings[side]))}" for one in unlike)

    return told(base), told(head)
