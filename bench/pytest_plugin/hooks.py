"""Hooks and fixtures that make a pytest session a view of one campaign.

pytest-benchmark runs one test to its end before the next, so it cannot interleave. Therefore pytest only *collects* the
plan; the campaign measures all of it in interleaved blocks; and each test then replays its own samples through
``benchmark.pedantic`` with a clock that returns what was measured. Judging, plots and pages are made from the stored
trials, not from the replay.

Nothing happens, and nothing more is imported, in a session without tests that have the marker ``workload`` and the
fixture ``trials``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from tare.bench.analysis.conclusion import Finished
    from tare.bench.measurable import Measurable
    from tare.bench.pytest_plugin.replay import Samples

_FINISHED: pytest.StashKey[Finished] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that ties a test to a workload."""
    config.addinivalue_line("markers", "workload(name): the workload whose trials the test replays")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per runner, the base's control among them."""
    if not _is_ours(metafunc.definition):
        return
    from tare.bench.pytest_plugin.session import runner_keys  # noqa: PLC0415 - only for tests of ours

    metafunc.parametrize("runner", runner_keys(metafunc.config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let ``-k`` find tests by workload and family, and give each test its replaying clock.

    What the session's mode does not measure is left out unless ``-k`` or the command line names it.
    """
    ours = [item for item in items if _is_ours(item)]
    if not ours:
        return
    from tare.bench.pytest_plugin.replay import ReplayClock  # noqa: PLC0415 - only for tests of ours
    from tare.bench.pytest_plugin.session import is_asked_for  # noqa: PLC0415
    from tare.results.judgement.claims.declared import EVERYTHING, selections  # noqa: PLC0415

    unasked = set()
    for item in ours:
        workload = _measurable(item)
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
    chosen = [item for item in session.items if _is_ours(item) and not item.get_closest_marker("skip")]
    if not chosen or session.config.option.collectonly:
        return
    from tare.bench.pytest_plugin.session import measure  # noqa: PLC0415 - only for tests of ours

    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        cases = {(_workload(item), _runner(item)) for item in chosen}
        finished = session.config.stash[_FINISHED] = measure(session.config, cases)
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


def _is_ours(item: Any) -> bool:
    """Tell whether a test is one to measure for: it has the marker and, by itself or ``replay``, the fixture."""
    marked = item.get_closest_marker("workload") is not None
    return marked and "trials" in getattr(item, "fixturenames", ())


def _measurable(item: pytest.Item) -> Measurable:
    """Look up what a test measures.

    Raises:
        pytest.UsageError: its marker names nothing that there is.
    """
    from tare.bench.catalogue import MEASURABLE  # noqa: PLC0415 - only for tests of ours

    known: dict[str, Measurable] = {one.name: one for one in MEASURABLE}
    if (name := _workload(item)) not in known:
        raise pytest.UsageError(f"{item.nodeid}: there is no workload {name!r}; there are {', '.join(known)}")
    return known[name]


def _workload(item: Any) -> str:
    marker = item.get_closest_marker("workload")
    return str(marker.args[0]) if marker.args else ""


def _runner(item: Any) -> str:
    return str(item.callspec.params["runner"])
