"""From pytest's options to a request, and from the request to measured trials."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tare.bench import pipeline
from tare.bench.analysis.conclusion import conclude
from tare.bench.campaign.run import Measured
from tare.bench.commands.shared import options as requests
from tare.bench.experiments.base import Experiment
from tare.bench.planning.runners import choose_runners
from tare.bench.request.declarations import SETTINGS
from tare.bench.request.keyword import compile_keyword
from tare.bench.request.layers import merge
from tare.bench.request.request import Request
from tare.results.record import BASE, CONTROL
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tare.bench.analysis.conclusion import Finished
    from tare.bench.workloads.base import Workload


@functools.cache
def request_from(config: pytest.Config) -> Request:
    """The request that pytest's options make; ``-k`` has been applied to the collected tests."""
    option = config.option
    given = {setting.key: getattr(option, setting.key, None) for setting in SETTINGS}
    config_file = Path(option.tare_config) if option.tare_config else None
    return Request(
        settings=merge(given, config_file).with_run(keyword=""),
        mode=option.tare_mode,
        offline=option.tare_offline,
        profile=option.tare_profile,
        resume=option.tare_resume or "",
    )


def is_asked_for(config: pytest.Config, measurable: Workload | Experiment, file: Path) -> bool:
    """Whether a test is to run although nobody may have asked for it: see :attr:`Experiment.opt_in`."""
    if not isinstance(measurable, Experiment) or not measurable.opt_in:
        return True
    if any(Path(str(config.invocation_params.dir), word.partition("::")[0]) == file for word in config.args):
        return True
    return not compile_keyword(config.option.keyword)(())


def runner_keys(config: pytest.Config) -> list[str]:
    """The runners to parametrise by: the base and its control first.

    Raises:
        pytest.UsageError: an option cannot be used.
    """
    try:
        asked = choose_runners(request_from(config))
    except TareError as error:
        raise pytest.UsageError(str(error)) from error
    return [BASE, CONTROL, *(key for key in asked if key != BASE)]


def measure(config: pytest.Config, cases: Iterable[tuple[str, str]]) -> Finished:
    """Measure the collected cases.

    Raises:
        pytest.Exit: this host lacks what is needed, or the run was interrupted (its results are kept).
    """
    request = request_from(config)
    wanted = dataclasses.replace(request, cases=frozenset(cases), report=False)
    try:
        finished = pipeline.execute(wanted, requests.progress())
    except TareError as error:
        raise pytest.exit(f"tare: {error}", returncode=3) from error
    if finished.interrupted:
        raise pytest.exit(f"interrupted; results are kept in {finished.run_dir}", returncode=130)
    return finished


def report(config: pytest.Config, finished: Finished) -> Finished:
    """Write the report; pytest-benchmark has written its own file by now, so that the page can link it."""
    measured = Measured(finished.run_dir, interrupted=False)
    return conclude(request_from(config), measured, requests.progress())
