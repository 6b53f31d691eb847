"""Define the hooks and fixtures that make a pytest session a view of one campaign.

pytest-benchmark runs one test to its end before the next, so it cannot interleave. Therefore pytest only *collects* the
plan; the campaign measures all of it in interleaved blocks; and each test then replays its own samples through
``benchmark.pedantic`` with a clock that returns what was measured. Judging, plots and pages are made from the stored
trials, not from the replay.

Nothing happens, and nothing more is imported, in a session without tests that have the fixture ``tare``, or the marker
``workload`` and the fixture ``trials``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from tare.bench.analysis.conclusion import Finished
    from tare.bench.measurable import Measurable
    from tare.bench.pytest_plugin.replay import Call, Samples

_FINISHED: pytest.StashKey[Finished] = pytest.StashKey()

_WORKLOAD: pytest.StashKey[str] = pytest.StashKey()
"""Name of the workload whose trials a test replays."""


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that ties a test to a workload."""
    config.addinivalue_line("markers", "workload(name): the workload whose trials the test replays")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per runner, the base's control among them."""
    if not _is_ours(metafunc.definition):
        return
    from tare.bench.pytest_plugin.session import runner_keys  # noqa: PLC0415 - only for tests of ours

    metafunc.parametrize("runner", runner_keys(metafunc.config))


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Make a test of each variant of what a function measures."""
    found = yield
    ours = [item for item in found if _is_ours(item)] if isinstance(found, list) else []
    if not ours:
        return found
    if hasattr(collector.config, "workerinput"):
        raise collector.CollectError(
            "tare measures in one process, and pytest-xdist would let several measure at once: run these tests without -n."
        )
    from tare.bench.pytest_plugin.gathering import expanded  # noqa: PLC0415 - only for tests of ours
    from tare.bench.pytest_plugin.session import known  # noqa: PLC0415

    return expanded(ours, known(collector.config), _WORKLOAD)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let ``-k`` find tests by workload and family, and give each test its replaying clock.

    What the session's mode does not measure is left out unless ``-k`` or the command line names it.
    """
    ours = [item for item in items if _WORKLOAD in item.stash]
    if not ours:
        return
    from tare.bench.pytest_plugin.replay import ReplayClock  # noqa: PLC0415 - only for tests of ours
    from tare.bench.pytest_plugin.session import is_asked_for  # noqa: PLC0415
    from tare.results.judgement.claims.declared import EVERYTHING, selections  # noqa: PLC0415

    unasked = set()
    for item in ours:
        workload = _measurable(config, item)
        if not is_asked_for(config, workload, item.path):
            unasked.add(item)
        item.extra_keyword_matches.update({workload.name, workload.family})
        if selections()[EVERYTHING] & {workload.name, workload.family}:
            item.extra_keyword_matches.add(EVERYTHING)
        item.add_marker(pytest.mark.benchmark(timer=ReplayClock(), group=workload.name, disable_gc=False))
    if unasked:
        config.hook.pytest_deselected(items=list(unasked))
        items[:] = [item for item in items if item not in unasked]


def pytest_runtestloop(session: pytest.Session) -> None:
    """Measure everything that was collected, before the first test."""
    # pytest-benchmark marks what --benchmark-skip and --benchmark-only leave out: measuring it would be for nothing.
    chosen = [
        item for item in session.items if _WORKLOAD in item.stash and not item.get_closest_marker("skip")
    ]
    # After an error in collection pytest runs no test unless told so: there would be nothing to replay into.
    ended = session.testsfailed and not session.config.option.continue_on_collection_errors
    if not chosen or session.config.option.collectonly or ended:
        return
    from tare.bench.pytest_plugin.session import is_named, measure  # noqa: PLC0415 - only for tests of ours

    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        cases = {(_workload(item), _runner(item)) for item in chosen}
        named = any(is_named(session.config, item.path) for item in chosen)
        finished = session.config.stash[_FINISHED] = measure(session.config, cases, named=named)
    if any("benchmark" in getattr(item, "fixturenames", ()) for item in chosen):
        # Where pytest-benchmark keeps its options; it writes its file when the session finishes, and warns if nothing ran.
        benchmarks: Any = session.config._benchmarksession  # type: ignore[attr-defined]  # noqa: SLF001
        benchmarks.json = benchmarks.json or str(finished.run_dir / "pytest-benchmark.json")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Write the report when everybody else has finished, pytest's own last line included: its path is the last line."""
    yield
    finished = session.config.stash.get(_FINISHED, None)
    terminal = session.config.pluginmanager.getplugin("terminalreporter")
    if finished is not None and terminal is not None:
        from tare.bench.pytest_plugin.session import report  # noqa: PLC0415 - only for tests of ours

        for line in report(session.config, finished).closing_lines():
            terminal.write_line(line)


@pytest.fixture
def trials(request: pytest.FixtureRequest, runner: str) -> Samples:
    """Give the test its own trials; skip with the recorded reason, or fail with it."""
    from tare.bench.pytest_plugin.replay import samples_of  # noqa: PLC0415 - only for tests of ours

    finished = request.config.stash[_FINISHED]
    samples = samples_of(finished.trials, _workload(request.node), runner)
    if samples.skipped:
        pytest.skip(samples.skipped)
    if samples.failure:
        pytest.fail(samples.failure, pytrace=False)
    return samples


@pytest.fixture
def replay(trials: Samples, benchmark: Any) -> Any:
    """Give a function that replays the trials through ``benchmark``.

    ``trials`` comes first: after its skip, pytest-benchmark would warn of a fixture that was never used.
    """
    return lambda: trials.replay(benchmark)


@pytest.fixture
def tare(trials: Samples, benchmark: Any) -> Call:
    """Give the function by which a test says what it measures; it replays the trials, and returns them."""
    from tare.bench.pytest_plugin.replay import Call  # noqa: PLC0415 - only for tests of ours

    return Call(trials, benchmark)


def _is_ours(item: Any) -> bool:
    """Tell whether a test is one to measure for: it has the fixture ``tare``, or the marker and a fixture of ours."""
    names = getattr(item, "fixturenames", ())
    if "tare" in names and "trials" in names:
        return True
    return item.get_closest_marker("workload") is not None and "trials" in names


def _measurable(config: pytest.Config, item: pytest.Item) -> Measurable:
    from tare.bench.pytest_plugin.session import known  # noqa: PLC0415 - only for tests of ours

    return known(config).by_name[item.stash[_WORKLOAD]]


def _workload(item: Any) -> str:
    return str(item.stash[_WORKLOAD])


def _runner(item: Any) -> str:
    return str(item.callspec.params["runner"])
