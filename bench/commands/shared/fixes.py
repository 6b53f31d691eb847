"""Fixes that ``tare doctor --fix`` applies to this host and ``--unfix`` undoes."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.runners.provision.tools import Provision


@dataclass(frozen=True, slots=True)
class Fix:
    """A service that some hosts lack and Tare can start."""

    do: Callable[[Provision], list[str]]
    """Start it; returns lines for a person that say what was done."""
    undo: Callable[[], list[str]]
    """Stop and remove it; returns what was removed, nothing if it was not there."""


def _start_docker(provision: Provision) -> list[str]:
    from tare.runners.containers.engines.api import EngineError  # noqa: PLC0415 - only when asked for
    from tare.runners.containers.engines.docker import find_daemon  # noqa: PLC0415
    from tare.runners.containers.engines.private import PrivateDocker  # noqa: PLC0415

    with suppress(EngineError):
        daemon = find_daemon()
        if not daemon.private:
            return [say(
                "terminal.docker_answers", "nothing to do: Docker {version} answers at {host}",
                version=daemon.version.get("Version"), host=daemon.host,
            )]  # fmt: skip
    undo = say("terminal.docker_undo", "to undo: `tare doctor --unfix docker`")
    lines = [*PrivateDocker().start(provision), undo]
    if chosen := os.environ.get("DOCKER_HOST"):
        lines.append(say(
            "terminal.docker_host", "DOCKER_HOST={host} takes precedence: unset that to use this daemon", host=chosen
        ))  # fmt: skip
    return lines


def _stop_docker() -> list[str]:
    from tare.runners.containers.engines.private import PrivateDocker  # noqa: PLC0415

    return [say("terminal.removed", "removed {what}", what=each) for each in PrivateDocker().stop()]


FIXES = {"docker": Fix(_start_docker, _stop_docker)}
