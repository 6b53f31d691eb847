"""List what is fuzzed: each target writes a damaged input into a folder, and has Tare read it as in real use."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, NamedTuple

from support.fuzzing import images, protocols, stored
from tare.bench.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

CODES = frozenset({0, 1, 2, 3, 4})
"""Exit codes of commands that did not crash; 70 is the last handler's."""


class Target(NamedTuple):
    """One kind of input."""

    name: str
    share: int
    """Chance to be drawn, in relation to the others'."""
    make: Callable[[Path, Random], list[str]]
    """Writes the input; returns the words of a command of ``tare`` to run on it, none if ``use`` does it."""
    use: Callable[[Path], object] | None = None


def perform(target: Target, words: list[str], folder: Path) -> None:
    """Let Tare read the input; raises what it raises. The output of commands is thrown away."""
    if target.use is not None:
        target.use(folder)
        return
    output = TextIOWrapper(BytesIO(), "utf-8")
    with redirect_stdout(output), redirect_stderr(output):
        code = main(words)
    if code not in CODES:
        output.flush()
        said = output.buffer.getvalue().decode("utf-8", "replace")
        raise AssertionError(f"exit code {code}: {said[-500:]}")


TARGETS = (
    Target("import", 24, stored.import_file, stored.use_import),
    Target("run.load", 16, stored.run, stored.use_run),
    Target("run.resume", 6, stored.plan, stored.use_resume),
    Target("run.compare", 3, stored.compared),
    Target("run.export", 4, stored.exported),
    Target("run.history", 2, stored.history),
    Target("run.baselines", 2, stored.baselines),
    Target("run.index", 2, stored.index, stored.use_index),
    Target("run.report", 1, stored.reported),
    Target("calibration", 4, stored.calibration, stored.use_calibration),
    Target("thresholds", 6, stored.thresholds, stored.use_thresholds),
    Target("settings", 10, stored.settings, stored.use_settings),
    Target("keyword", 4, stored.keyword, stored.use_keyword),
    Target("owner", 8, stored.owner, stored.use_owner),
    Target("cache", 6, stored.cache, stored.use_cache),
    Target("image.oci", 12, images.oci, images.use),
    Target("image.docker", 8, images.docker, images.use),
    Target("image.archive", 8, images.archive, images.use),
    Target("agent", 12, protocols.agent, protocols.use_agent),
    Target("launcher", 6, protocols.launcher, protocols.use_launcher),
    Target("qmp", 8, protocols.qmp, protocols.use_qmp),
    Target("engine", 6, protocols.engine, protocols.use_engine),
    Target("kubernetes", 3, protocols.kubernetes, protocols.use_kubernetes),
    Target("tool-output", 6, protocols.tool_output, protocols.use_tool_output),
)


def drawn(chance: Random) -> Target:
    """Draw a target by the shares."""
    return chance.choices(TARGETS, [target.share for target in TARGETS])[0]


if sys.flags.optimize:
    raise RuntimeError("the targets use assertions: run Python without -O")
