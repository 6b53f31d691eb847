"""Runs whose taking down fails at every level: what was measured is stored and reported, and the failure is told."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from support.campaigns import IMAGE, LIMITS, Steady, Telling, make_plan
from support.stub import Stub
from tare.bench import pipeline
from tare.bench.analysis import calibration, report
from tare.bench.campaign import manifest, session, steady_state
from tare.bench.campaign.provision import Provisioned
from tare.bench.campaign.run import Measured
from tare.bench.commands import calibrate
from tare.bench.errors import Exit
from tare.bench.planning.runners import Bench
from tare.bench.request.request import Request
from tare.bench.request.settings import OutputSettings, Settings
from tare.bench.tools import kubernetes
from tare.bench.workloads.null import Null
from tare.results.storage.load import load_run
from tare.runners import cleanup
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.fake import FakeClock, FakeRunner
from tare.runners.launcher.client import Launcher
from tare.runners.model import Probe
from tare.runners.undoing import UndoLog

ALL = range(999)
PLAN = make_plan([Null(), Steady()], blocks=4)


@contextmanager
def leaving(error, entered=None):
    try:
        yield entered
    finally:
        if error:
            raise error


class Host:
    """The host on which a run is taken down, with the errors of each level."""

    def __init__(self, tmp_path, monkeypatch):
        self.traces = self.launcher = self.earlier = None
        self.box = {}
        self.reported = []
        self.path = tmp_path
        monkeypatch.setattr(steady_state, "default_collectors", lambda _vantage: ())
        monkeypatch.setattr(manifest, "host_facts", lambda _workdir: {"cpu": {"model": "Example"}})
        monkeypatch.setattr(manifest, "conditions", lambda _workdir, since=None: ())
        monkeypatch.setattr(session, "default_cache", lambda: tmp_path / "cache")
        monkeypatch.setattr(cleanup, "find", self._find)
        monkeypatch.setattr(session, "clear_dead", list)
        monkeypatch.setattr(cleanup, "register", lambda *_: leaving(self.traces))
        monkeypatch.setattr(Launcher, "start", lambda _cache: leaving(self.launcher, Stub(lost=False)))
        monkeypatch.setattr(session, "probe", self._probe)
        monkeypatch.setattr(pipeline, "plan", lambda *_: PLAN)
        monkeypatch.setattr(pipeline, "provision", lambda _r, bench, *_: Provisioned(bench, IMAGE, LIMITS))
        monkeypatch.setattr(report, "report_run", self._report)

    def _find(self, _cache):
        if self.earlier:
            raise self.earlier
        return []

    def _probe(self, supplies, _keys):
        clock = FakeClock()
        runners = {
            "bare": FakeRunner("bare", clock=clock),
            "box": FakeRunner("box", clock=clock, **self.box),
        }
        return Bench(supplies, runners, {key: Probe(ok=True) for key in runners})

    def _report(self, run_dir, reports_dir, **_how):
        self.reported.append(run_dir)
        return SimpleNamespace(index=reports_dir / "index.html", summary="")

    def run(self):
        told = Telling()
        settings = Settings(output=OutputSettings(results_dir=self.path / "runs"))
        return pipeline.execute(Request(settings=settings), told), told.lines


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def count(finished):
    return len([t for t in finished.trials if t.outcome == "ok"])


def test_a_run_whose_taking_down_works_ends_well(host):
    finished, _ = host.run()
    assert (finished.exit_code, count(finished), finished.not_undone) == (Exit.OK, 24, ())
    assert host.reported == [finished.run_dir]


LEVELS = {
    "earlier run": {"earlier": TareError("not everything can be removed")},
    "place": {"box": {"close_faults": dict.fromkeys(ALL, "untidy")}},
    "place, unforeseen": {"box": {"close_faults": dict.fromkeys(ALL, "crash")}},
    "runner": {"box": {"close_error": PlaceFailure("its image is in use")}},
    "runner, unforeseen": {"box": {"close_error": ValueError("Cannot invoke RPC on closed channel!")}},
    "launcher": {"launcher": TareError("the launcher does not end")},
    "traces": {"traces": OSError(16, "Device or resource busy")},
    "everything": {
        "box": {"close_faults": dict.fromkeys(ALL, "untidy"), "close_error": PlaceFailure("busy")},
        "launcher": TareError("the launcher does not end"),
        "traces": RuntimeError("no"),
    },
}


@pytest.mark.parametrize("level", LEVELS)
def test_all_is_measured_stored_and_reported_whatever_cannot_be_removed(host, level):
    vars(host).update(LEVELS[level])
    finished, told = host.run()
    assert count(finished) == len(finished.trials) == 24
    assert host.reported == [finished.run_dir]
    stored = load_run(finished.run_dir).manifest
    assert stored.status == "complete"
    assert stored.not_undone == finished.not_undone != ()
    assert finished.exit_code == Exit.SOME_FAILED
    for failure in stored.not_undone:
        assert [line for line in told if failure in line and "`tare clean`" in line]


def test_a_cold_start_that_never_ended_has_no_number_and_the_run_goes_on(host):
    # One of the first two openings is a cold start, the other that of a steady-state place.
    host.box = {"close_faults": {0: "stuck", 1: "stuck"}}
    finished, _ = host.run()
    (bad,) = [t for t in finished.trials if t.outcome != "ok"]
    assert (bad.workload, bad.metrics) == ("null", ())
    assert "the place does not end" in bad.reason
    assert host.reported == [finished.run_dir]


def test_an_error_of_the_run_is_not_hidden_by_those_of_taking_it_down(host, monkeypatch):
    vars(host).update(LEVELS["everything"])

    def refuse(*_):
        raise TareError("no image can be built")

    monkeypatch.setattr(pipeline, "provision", refuse)
    with pytest.raises(TareError, match="no image can be built"):
        host.run()


def test_a_calibration_is_judged_whatever_cannot_be_removed(host, monkeypatch):
    finished, _ = host.run()
    log = UndoLog()
    log.note("the launcher", TareError("does not end"))
    monkeypatch.setattr(calibration, "calibrate", lambda *_, **__: Measured(finished.run_dir, False, log))
    judged = []
    monkeypatch.setattr(calibrate, "_conclude", lambda _arguments, run_dir, *_: judged.append(run_dir))
    from tare.bench.__main__ import main  # noqa: PLC0415

    assert main(["calibrate", "--keep-in", str(host.path)]) == Exit.SOME_FAILED
    assert judged == [finished.run_dir]
    assert load_run(finished.run_dir).manifest.not_undone == ("the launcher: does not end",)


@pytest.mark.parametrize(("codes", "code"), [((0, 0), 4), ((0, 1), 1), ((5, 0), 5)])
def test_a_cluster_that_cannot_be_removed_costs_nothing_that_was_measured_in_it(
    tmp_path, monkeypatch, capsys, codes, code
):
    tool = Stub(path=tmp_path / "kubectl")
    cluster = Stub(kubeconfig="k", containerd="c", kubectl=Stub(tool=tool))
    gone = PlaceFailure("CRI's StopPodSandbox: an error occurred (UNKNOWN)")
    left = iter(codes)
    monkeypatch.setattr(kubernetes, "_check", lambda: None)
    monkeypatch.setattr(kubernetes, "default_cache", lambda: tmp_path)
    monkeypatch.setattr(kubernetes, "servers", lambda _p: Stub(path=tmp_path, facts={"version": "1"}))
    monkeypatch.setattr(kubernetes, "host_state", lambda _run: {})
    monkeypatch.setattr(cleanup, "register", lambda *_: leaving(TareError("not everything")))
    monkeypatch.setattr(kubernetes, "Cluster", lambda *_: leaving(gone, cluster))
    monkeypatch.setattr("subprocess.run", lambda *_, **__: Stub(returncode=next(left)))
    assert kubernetes.main([]) == code
    assert next(left, None) is None  # both were run
    assert "StopPodSandbox" in capsys.readouterr().err
