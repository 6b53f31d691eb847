"""Dask carries orders, chunks and ends; workers are in this process, and what measures is a stand-in."""

import logging
import shutil
import sys
import threading
import time

import msgspec
import pytest
from dask import config
from distributed import LocalCluster

from support.fleet_double import REQUEST
from tare.bench.__main__ import main
from tare.bench.errors import EnvironmentMissing, Exit
from tare.bench.fleet import dask, host
from tare.bench.fleet.cluster import SchedulerLost
from tare.bench.fleet.messages import Assignment, Chunk, Ended, HostFacts

ORDER = Assignment(
    campaign="c",
    host="a",
    number=0,
    session="s",
    attempt=1,
    request=REQUEST,
    offline=True,
    labels={},
    argv=("tare", "fleet"),
)


@pytest.fixture(scope="module")
def scheduler():
    with LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        host="127.0.0.1",
        protocol="tcp",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        yield cluster


@pytest.fixture
def cluster(scheduler, monkeypatch):
    monkeypatch.setattr(host, "facts", lambda: HostFacts(host="a", host_class="A", version="1"))
    with dask.connected(scheduler.scheduler_address, "c") as one:
        yield one


def stand_in(monkeypatch, rounds=1):
    """Send a chunk, and go on until it is not wanted any more; return what the stand-in saw at its end."""
    ends = threading.Event()

    def measure(order, send, unwanted):
        for at in range(rounds):
            send(Chunk(token=order.token, run="r", manifest=b"{}", offset=at, lines=b"\n"))
            while rounds > 1 and not unwanted():
                time.sleep(0.01)
        ends.set()
        return Ended(token=order.token, code=0, said="", run="r", size=rounds)

    monkeypatch.setattr(host, "measure", measure)
    return ends


def received(cluster, number, seconds=10.0):
    found, end = [], time.monotonic() + seconds
    while len(found) < number and time.monotonic() < end:
        found += cluster.receive(0.1)
    return found


@pytest.mark.slow
def test_an_order_goes_to_a_worker_and_its_chunks_come_before_its_end(cluster, monkeypatch):
    stand_in(monkeypatch)
    (worker,) = cluster.workers()
    assert cluster.describe([worker]) == {worker: HostFacts(host="a", host_class="A", version="1")}
    cluster.start(worker, ORDER)
    chunk, ended = received(cluster, 2)
    assert (chunk.lines, ended.size) == (b"\n", 1)


@pytest.mark.slow
def test_a_run_is_told_to_stop_and_ends_when_its_client_is_gone(scheduler, monkeypatch):
    monkeypatch.setattr(host, "facts", lambda: HostFacts(host="a", host_class="A", version="1"))
    ends = stand_in(monkeypatch, rounds=2)
    with dask.connected(scheduler.scheduler_address, "c") as cluster:
        (worker,) = cluster.workers()
        cluster.describe([worker])
        stopped = msgspec.structs.replace(ORDER, attempt=2)
        cluster.start(worker, stopped)
        assert received(cluster, 1)
        cluster.stop({worker: stopped.token})
        assert isinstance(received(cluster, 2)[-1], Ended)
        assert ends.is_set()
        ends.clear()
        cluster.start(worker, msgspec.structs.replace(ORDER, attempt=3))
        assert received(cluster, 1)
    assert ends.wait(10)


@pytest.mark.slow
def test_what_fails_on_a_worker_is_a_reason(cluster, monkeypatch):
    def fail(*_):
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr(host, "measure", fail)
    (worker,) = cluster.workers()
    cluster.describe([worker])
    cluster.start(worker, msgspec.structs.replace(ORDER, attempt=4))
    (ended,) = received(cluster, 1)
    assert "the disk is on fire" in ended.said
    monkeypatch.setattr(host, "facts", fail)
    assert "the disk is on fire" in str(cluster.describe([worker])[worker])


@pytest.mark.slow
def test_copies_are_removed_before_the_connection_is_closed(scheduler, monkeypatch):
    forgotten = []
    monkeypatch.setattr(host, "forget", forgotten.append)
    with dask.connected(scheduler.scheduler_address, "c") as cluster:
        (worker,) = cluster.workers()
        cluster.forget(worker, ORDER)
    assert forgotten == [ORDER]


@pytest.mark.slow
def test_a_lost_scheduler_is_noticed():
    with dask.local_scheduler() as address, dask.connected(address, "c") as cluster:
        assert cluster.workers() == frozenset()
        cluster.client.close()
        with pytest.raises(SchedulerLost):
            cluster.workers()
        with pytest.raises(SchedulerLost):
            cluster.receive(0.01)


def test_dask_prints_nothing_beside_the_directors_sentences():
    """Its client logs a traceback for a lost scheduler, its scheduler a line for each worker that goes."""
    dask._client_class()
    for name in ("distributed.client", "distributed.scheduler", "distributed.core", "distributed.deploy"):
        assert not logging.getLogger(name).isEnabledFor(logging.ERROR)


def test_without_tare_there_a_worker_takes_no_part():
    said = dask._introduced(ModuleNotFoundError("No module named 'tare'"))
    assert "pip install 'tarebench[fleet]' there" in str(said)


@pytest.fixture
def without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)


def test_without_the_extra_one_sentence_says_what_to_install(without_dask):
    with (
        pytest.raises(EnvironmentMissing, match=r"pip install 'tarebench\[fleet\]'"),
        dask.connected("tcp://h:1", "c"),
    ):
        pass


@pytest.mark.parametrize("where", [["--scheduler", "tcp://127.0.0.1:1"], ["--hosts", "a"]])
def test_the_command_says_so_and_leaves_nothing(without_dask, where, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    folders = ["--results-dir", str(tmp_path / "runs"), "--reports-dir", str(tmp_path / "out")]
    assert main(["fleet", *where, *folders, "--quick"]) == Exit.ENVIRONMENT
    assert capsys.readouterr().err == f"tare: {dask.TO_INSTALL}\n"
    assert not (tmp_path / "runs").exists()


def test_dasks_own_rule_about_encryption_is_told(tmp_path, capsys):
    with config.set({"distributed.comm.require-encryption": True}):
        assert (
            main(["fleet", "--scheduler", "tcp://127.0.0.1:1", "--results-dir", str(tmp_path)]) == Exit.USAGE
        )
    err = capsys.readouterr().err
    assert "encryption" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "either by --hosts"),
        (["--hosts", "a", "--scheduler", "tcp://h:1"], "either by --hosts"),
        (["--hosts", "a,-oProxyCommand=x"], "not a name"),
        (["--hosts", "a,a"], "repeated"),
        (["--scheduler", "tcp://127.0.0.1:1", "--wait", "soon"], "--wait"),
        (["--page", "nosuch"], "no campaign is called"),
        (["--scheduler", "tcp://127.0.0.1:1", "--resume", "nosuch"], "no campaign is called"),
        (["--scheduler", "nonsense://x"], "--scheduler"),
        (["--scheduler", "tls://127.0.0.1:1"], "no certificates"),
    ],
)
def test_bad_input_gets_one_sentence(words, said, tmp_path, capsys):
    assert main(["fleet", *words, "--results-dir", str(tmp_path)]) == Exit.USAGE
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
