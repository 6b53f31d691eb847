"""Turn a pytest session's request into measured trials, and these into a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from tare.bench import pipeline
from tare.bench.analysis.conclusion import conclude
from tare.bench.campaign.run import Measured
from tare.bench.planning.modes import is_planned
from tare.bench.planning.runners import choose_runners
from tare.bench.progress import Lines
from tare.bench.pytest_plugin.gathering import Known
from tare.bench.pytest_plugin.options import request_of
from tare.bench.request.keyword import compile_keyword
from tare.results.record import BASE, CONTROL
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tare.bench.analysis.conclusion import Finished
    from tare.bench.measurable import Measurable


_KNOWN: pytest.StashKey[Known] = pytest.StashKey()


def known(config: pytest.Config) -> Known:
    """Give everything that the session's tests may measure."""
    if _KNOWN not in config.stash:
        file = config.option.tare_config
        config.stash[_KNOWN] = Known(Path(file) if file else None)
    return config.stash[_KNOWN]


def is_asked_for(config: pytest.Config, measurable: Measurable, file: Path) -> bool:
    """Tell whether a test is to run: any that the user named, else what the mode measures."""
    return is_planned(measurable, request_of(config).mode, named=is_named(config, file))


def is_named(config: pytest.Config, file: Path) -> bool:
    """Tell whether ``-k`` or, by its file, the command line names a test."""
    here = str(config.invocation_params.dir)
    by_file = any(Path(here, word.partition("::")[0]) == file for word in config.args)
    return by_file or not compile_keyword(config.option.keyword)(())


def runner_keys(config: pytest.Config) -> list[str]:
    """List the runners to parametrise by, the base and its control first.

    Raises:
        pytest.UsageError: an option cannot be used.
    """
    try:
        asked = choose_runners(request_of(config))
    except TareError as error:
        raise pytest.UsageError(str(error)) from error
    return [BASE, CONTROL, *(key for key in asked if key != BASE)]


def measure(config: pytest.Config, cases: Iterable[tuple[str, str]], *, named: bool) -> Finished:
    """Measure the collected cases, each (workload, runner key).

    Args:
        config: configuration of the session.
        cases: the cases.
        named: the user named some of them.

    Raises:
        pytest.Exit: this host lacks what is needed, or the run was interrupted (its results are kept).
    """
    wanted = frozenset(cases)
    own = known(config).own(name for name, _ in wanted)
    request = msgspec.structs.replace(
        request_of(config), cases=wanted, cases_named=named, report=False, own=own
    )
    try:
        finished = pipeline.execute(request, Lines())
    except TareError as error:
        raise pytest.exit(f"tare: {error}", returncode=3) from error
    if finished.interrupted:
        raise pytest.exit(f"interrupted; results are kept in {finished.run_dir}", returncode=130)
    return finished


def report(config: pytest.Config, finished: Finished) -> Finished:
    """Write the report; pytest-benchmark has written its own file by now, so that the page can link it."""
    return conclude(request_of(config), Measured(finished.run_dir, interrupted=False), Lines())
