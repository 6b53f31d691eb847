"""The pytest front: ``bench/bench_*.py`` as a view of one campaign.

pytest-benchmark runs one test to its end before the next, so it cannot interleave. Therefore pytest only
*collects* the plan here; the campaign measures all of it in interleaved blocks; and each test then replays its
own samples through ``benchmark.pedantic`` with a clock that returns what was measured. Judging, plots and pages
are made from the stored trials, not from the replay.

The plugin is inert unless the collected tests use the ``trials`` fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from tare.bench.analysis.conclusion import Finished
    from tare.bench.pytest_plugin.replay import Series

_FINISHED: pytest.StashKey[Finished] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of ``tare run``, under the same names where pytest leaves them free (``-k`` means the same)."""
    group = parser.getgroup("tare", "tare: what and how thoroughly to measure")
    mode = {"action": "store_const", "dest": "tare_mode", "default": "default"}
    group.addoption("--quick", const="quick", help="about a minute; never a baseline", **mode)
    group.addoption("--rigorous", const="rigorous", help="about an hour", **mode)
    group.addoption(
        "--offline", action="store_true", dest="tare_offline", help="use only what is there; fetch nothing"
    )
    group.addoption(
        "--profile", action="store_true", dest="tare_profile", help="sample the python workload with py-spy"
    )
    group.addoption("--resume", dest="tare_resume", metavar="RUN", help="go on with an interrupted run")
    group.addoption(
        "--tare-config", dest="tare_config", metavar="FILE", help="settings file (default: tare.toml)"
    )
    from tare.bench.request.declarations import SETTINGS  # noqa: PLC0415 - 10 ms that other users of pytest need not pay

    for setting in SETTINGS:
        if setting.option != "-k":
            group.addoption(
                setting.option, dest=setting.key, metavar=setting.metavar, help=setting.help, default=None
            )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that ties a test to a workload."""
    config.addinivalue_line("markers", "workload(name): the workload whose trials the test replays")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per runner, the base's control among them."""
    if "trials" not in metafunc.fixturenames:
        return
    from tare.bench.pytest_plugin.session import runner_keys  # noqa: PLC0415

    metafunc.parametrize("runner", runner_keys(metafunc.config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let ``-k`` find tests by workload and family, and give each test its replaying clock.

    Experiments that are too long for everybody are left out unless ``-k`` or the command line names them.
    """
    from tare.bench.catalogue import by_name  # noqa: PLC0415
    from tare.bench.pytest_plugin.replay import ReplayClock  # noqa: PLC0415
    from tare.bench.pytest_plugin.session import is_asked_for  # noqa: PLC0415

    unasked = [item for item in _ours(items) if not is_asked_for(config, by_name(_workload(item)), item.path)]
    if unasked:
        config.hook.pytest_deselected(items=unasked)
        items[:] = [item for item in items if item not in unasked]
    for item in _ours(items):
        workload = by_name(_workload(item))
        item.extra_keyword_matches.update({workload.name, workload.family})
        item.add_marker(pytest.mark.benchmark(timer=ReplayClock(), group=workload.name, disable_gc=False))


def pytest_runtestloop(session: pytest.Session) -> None:
    """Measure everything that was collected, before the first test."""
    chosen = list(_ours(session.items))
    if not chosen or session.config.option.collectonly:
        return
    from tare.bench.pytest_plugin.session import measure  # noqa: PLC0415

    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        cases = {(_workload(item), _runner(item)) for item in chosen}
        finished = session.config.stash[_FINISHED] = measure(session.config, cases)
    # Where pytest-benchmark keeps its options; it writes its file when the session finishes.
    benchmarks: Any = session.config._benchmarksession  # type: ignore[attr-defined]  # noqa: SLF001
    benchmarks.json = benchmarks.json or str(finished.run_dir / "pytest-benchmark.json")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None]:
    """Everybody else's summary, then ours: the report's path is the last line."""
    yield
    finished = config.stash.get(_FINISHED, None)
    if finished is not None:
        from tare.bench.pytest_plugin.session import report  # noqa: PLC0415

        for line in report(config, finished).closing_lines():
            terminalreporter.write_line(line)


@pytest.fixture
def trials(request: pytest.FixtureRequest, runner: str) -> Series:
    """The test's own trials; skips with the recorded reason, fails with it."""
    from tare.bench.pytest_plugin.replay import series_of  # noqa: PLC0415

    finished = request.config.stash[_FINISHED]
    series = series_of(finished.trials, _workload(request.node), runner)
    if series.skipped:
        pytest.skip(series.skipped)
    if series.failure:
        pytest.fail(series.failure, pytrace=False)
    return series


@pytest.fixture
def replay(trials: Series, request: pytest.FixtureRequest) -> Any:
    """A function that replays the trials through ``benchmark``."""
    # Asked for only now: after a skip, pytest-benchmark would warn of a fixture that was never used.
    benchmark = request.getfixturevalue("benchmark")
    return lambda: trials.replay(benchmark)


def _ours(items: list[pytest.Item]) -> Generator[pytest.Item]:
    return (item for item in items if "trials" in getattr(item, "fixturenames", ()))


def _workload(item: Any) -> str:
    return str(item.get_closest_marker("workload").args[0])


def _runner(item: Any) -> str:
    return str(item.callspec.params["runner"])
