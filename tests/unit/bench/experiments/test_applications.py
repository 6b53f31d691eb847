"""Applications: what their tools print, what becomes of it, who is refused, and who gets which CPU."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from support.campaigns import LIMITS
from support.paths import GOLDEN
from support.stub import Stub
from tare.bench.experiments.applications import APPLICATIONS, load, postgresql, redis, web
from tare.bench.experiments.applications.base import Session
from tare.bench.experiments.applications.cpus import keep_apart, split_cpus
from tare.bench.experiments.applications.load import Load
from tare.bench.experiments.applications.memcached import Memcached
from tare.bench.measurable import Terms, Unsuitable
from tare.bench.workloads.base import ParseError
from tare.runners.errors import TareError
from tare.runners.fake import FakeRunner
from tare.runners.model import JobResult

TOOLS = GOLDEN / "tool_output"


def result(stdout: bytes = b"", **changes: Any) -> JobResult:
    made = JobResult(
        exit_code=0, signal=None, timed_out=False, started_ns=0, finished_ns=1, inside_seconds=1e-9, usage=None,
        stdout=stdout, stderr=b"", stdout_bytes=len(stdout), stderr_bytes=0,
    )  # fmt: skip
    return replace(made, **changes)


def by_name(metrics: Any) -> dict[str, Any]:
    return {one.name: one for one in metrics}


def golden(name: str) -> bytes:
    return (TOOLS / name).read_bytes()


# -- tools -----------------------------------------------------------------------------------------


def test_redis_benchmarks_table_is_a_rate_and_latencies_in_seconds():
    found = by_name(redis.parse("app-redis", golden("redis-benchmark.csv"), 1000))
    assert found["app.max.rate"].value == 30303.03
    assert found["app.max.rate"].primary
    assert found["app.max.p50"].value == pytest.approx(0.407e-3)
    assert found["app.max.p99"].value == pytest.approx(10.567e-3)


def test_wrks_report_is_a_rate_and_latencies_in_seconds():
    found = by_name(web.parse("app-nginx", golden("wrk.txt")))
    assert found["app.max.rate"].value == 27091.98
    assert found["app.max.rate"].samples == 29952
    assert found["app.max.p50"].value == pytest.approx(0.77e-3)
    assert found["app.max.p99"].value == pytest.approx(31.07e-3)


def test_wrk_puts_a_space_behind_units_of_one_letter():
    text = golden("wrk.txt").replace(b"99%   31.07ms", b"99%    1.08s ")
    assert by_name(web.parse("app-nginx", text))["app.max.p99"].value == pytest.approx(1.08)


@pytest.mark.parametrize(
    "line", [b"  Socket errors: connect 0, read 3, write 0, timeout 0", b"  Non-2xx or 3xx responses: 9"]
)
def test_wrks_errors_are_no_numbers(line):
    with pytest.raises(ParseError, match="wrk reports errors"):
        web.parse("app-nginx", golden("wrk.txt").replace(b"Requests/sec:", line + b"\nRequests/sec:"))


def test_pgbenchs_report_is_a_rate_without_the_connecting():
    (found,) = postgresql.parse("app-postgres", golden("pgbench.txt"))
    assert (found.value, found.samples, found.primary) == (11771.362627, 11567, True)


def test_pgbenchs_failed_transactions_are_no_numbers():
    text = golden("pgbench.txt").replace(b"failed transactions: 0 ", b"failed transactions: 1 ")
    with pytest.raises(ParseError, match="without failures"):
        postgresql.parse("app-postgres", text)


def test_pgbenchs_log_has_latencies_since_each_was_due():
    # client, transaction, latency in us, script, second, microsecond, delay in us
    log = b"".join(b"0 %d %d 0 1764198000 %d 12\n" % (n, 100 * n, n) for n in range(1, 101))
    found = {name: one.value for name, one in by_name(postgresql.parse_log("app-postgres", log)).items()}
    assert found == pytest.approx({"app.load.p50": 5e-3, "app.load.p99": 9.9e-3, "app.load.max": 10e-3})


def test_pgbenchs_skipped_transactions_are_no_numbers():
    with pytest.raises(ParseError, match="not a log"):
        postgresql.parse_log("app-postgres", b"0 1 skipped 0 1764198000 1 12\n")


@given(st.binary(max_size=200))
def test_whatever_a_tool_prints_is_read_or_refused(noise):
    for parse in (
        lambda: redis.parse("a", noise, 1),
        lambda: web.parse("a", noise),
        lambda: postgresql.parse("a", noise),
        lambda: postgresql.parse_log("a", noise),
        lambda: load.answer(result(noise)),
    ):
        with pytest.raises(TareError):
            parse()


# -- the load --------------------------------------------------------------------------------------


def test_the_loads_job_names_every_time_in_ms():
    client, at = Stub(root="/image"), Stub(address="10.0.0.2", port=80)
    job = Load("http", "GET /\r\n", 300, 4, 2.0, warmup_seconds=0.2, drain_seconds=1).job(client, at)
    assert job.argv == (
        "/image/usr/bin/tare-load", "http", "10.0.0.2", "80", "GET /\r\n", "300", "4", "200", "2000", "1000"
    )  # fmt: skip
    assert job.timeout_seconds > 3.2


ANSWER = {
    "answered": 990, "unanswered": 10, "failed": 0, "elapsed_ns": 10**9, "bytes": 5000, "p50_ns": 100, "p90_ns": 200,
    "p99_ns": 300, "p999_ns": 400, "max_ns": 500, "lag_p50_ns": 5, "lag_p99_ns": 50,
}  # fmt: skip


def said(found: dict[str, int]) -> bytes:
    return "".join(f"{name} {value}\n" for name, value in found.items()).encode()


def test_unanswered_requests_are_a_share_of_all():
    found = by_name(load.open_metrics(load.answer(result(said(ANSWER)))))
    assert found["app.load.unanswered"].value == 0.01
    assert found["app.load.p999"].value == pytest.approx(400e-9)
    assert found["app.load.client_delay.p99"].value == pytest.approx(50e-9)


def test_few_requests_have_no_thousandths():
    assert "app.load.p999" not in by_name(load.open_metrics(ANSWER | {"unanswered": 0}))


def test_a_closed_load_is_a_rate():
    found = by_name(load.closed_metrics(ANSWER))
    assert (found["app.max.rate"].value, found["app.max.rate"].primary) == (990, True)
    with pytest.raises(TareError, match="no request was answered"):
        load.closed_metrics(ANSWER | {"answered": 0})


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (result(exit_code=1, stderr=b"bad answer: HTTP/1.1 500"), "bad answer: HTTP/1.1 500"),
        (result(timed_out=True), "did not end in time"),
        (result(said(ANSWER)[:-20]), "lacks something|not a line"),
        (result(said(ANSWER) * 2), "not a line"),
    ],
)
def test_a_load_that_failed_is_no_numbers(bad, why):
    with pytest.raises(TareError, match=why):
        load.answer(bad)


# -- who is measured, and where --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "limits", "server", "client"),
    [
        (range(2), LIMITS, (0,), (1,)),
        (range(8), replace(LIMITS, cpus=4), (0, 1, 2, 3, 4, 5), (6, 7)),
        (range(64), replace(LIMITS, cpus=4), tuple(range(62)), (62, 63)),
        (range(8), replace(LIMITS, cpuset=(3, 5, 6)), (3, 5), (6,)),
        (range(2), replace(LIMITS, cpuset=(1, 9)), (), ()),
    ],
)
def test_server_and_client_have_cpus_of_their_own(cpus, limits, server, client):
    servers, clients = split_cpus(limits, cpus)
    assert servers.cpuset == (server or limits.cpuset)
    assert clients.cpuset == (client or limits.cpuset)
    assert 1 <= servers.cpus <= limits.cpus


@pytest.fixture
def sleeper() -> Any:
    """Run a process with a child, which does nothing."""
    with subprocess.Popen(["sh", "-c", "sleep 30 & wait"], start_new_session=True) as process:
        yield Stub(vantage=Stub(agent_pid=process.pid, top_pid=0))
        os.killpg(process.pid, 9)


def test_what_cgroups_have_not_pinned_is_pinned_and_told(sleeper):
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    if len(cpus) < 2:
        pytest.skip("there is one CPU only")
    other = Stub(vantage=Stub(agent_pid=0, top_pid=os.getpid()))
    first = replace(LIMITS, cpuset=cpus[:1])
    assert keep_apart(sleeper, other, first, LIMITS) == "shared with the server's"
    assert os.sched_getaffinity(sleeper.vantage.agent_pid) == set(cpus[:1])
    assert os.sched_getaffinity(0) == set(cpus)
    gone = Stub(vantage=Stub(agent_pid=1 << 30, top_pid=0))
    assert keep_apart(sleeper, gone, first, LIMITS) == "not known"


def test_images_made_elsewhere_are_refused():
    for one in APPLICATIONS:
        with pytest.raises(Unsuitable, match="an image of its own"):
            one.admit(FakeRunner("fake"), Terms(LIMITS, image="x.tar"))


def test_what_is_too_slow_under_tcg_is_refused_there_and_the_rest_is_measured_at_the_maximum_only():
    emulated = FakeRunner("qemu-microvm", accelerator="tcg")
    for one in APPLICATIONS:
        if one.name != "app-postgres":
            one.admit(emulated, Terms(LIMITS))
    with pytest.raises(Unsuitable, match="TCG"):
        postgresql.Postgres().admit(emulated, Terms(LIMITS))
    session = Session(Stub(), Stub(), emulated=True)
    assert Memcached().at_fixed_load(session, Stub()) == ()


@pytest.mark.parametrize(("uid", "name", "fine"), [
    (1000, "namespaces", False), (1000, "bare", True), (1000, "docker", True), (0, "namespaces", True)
])  # fmt: skip
def test_a_server_that_refuses_root_needs_another_user(monkeypatch, uid, name, fine):
    monkeypatch.setattr(os, "getuid", lambda: uid)
    if fine:
        postgresql.Postgres().admit(FakeRunner(name), Terms(LIMITS))
        return
    with pytest.raises(Unsuitable, match="no other user"):
        postgresql.Postgres().admit(FakeRunner(name), Terms(LIMITS))


def test_memcached_is_measured_at_the_maximum_and_at_the_fixed_load():
    offered = []

    def run(job):
        offered.append(job.argv)
        return result(said(ANSWER))

    served = Stub(client=Stub(root="/"), at=Stub(address="10.0.0.2", port=80), run=run)
    found = by_name(Memcached().measure(Session(served, Stub(), emulated=False)))
    assert {"app.max.rate", "app.load.p50", "app.load.p99"} <= found.keys()
    assert [argv[5] for argv in offered] == ["0", "0", "5000"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (result(timed_out=True), "wrk did not end within"),
        (result(exit_code=1, stderr=b"unable to connect"), "wrk failed: unable to connect"),
        (result(exit_code=None, signal=9, error="killed by the memory limit"), "killed by the memory limit"),
    ],
)
def test_a_tool_that_fails_is_told(bad, why):
    image = Stub(argv=lambda _root, *words: words, environ=lambda *_words: {})
    served = Stub(client=Stub(root="/"), at=Stub(address="10.0.0.2", port=80), run=lambda _job: bad)
    with pytest.raises(TareError, match=why):
        Session(served, image, emulated=False).tool("wrk")


def site(root: str) -> Any:
    image = Stub(argv=lambda _root, *words: words, environ=lambda *_words: {})
    return Stub(image=image, root=root, scratch="/s", cpus=1)


@pytest.mark.parametrize("one", APPLICATIONS, ids=lambda one: one.name)
def test_every_server_listens_where_it_is_told(one):
    words = " ".join(one.server().job(Stub(site=site("/"), listen="0.0.0.0", port=4321)).argv)  # noqa: S104 - asked for
    assert re.search(r"0\.0\.0\.0\b", words)
    assert "4321" in words


def test_postgres_is_nobody_in_places_and_another_user_of_root_on_bare_metal(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    server = postgresql.Postgres().server()
    inside, bare = (
        server.job(Stub(site=site(root), listen="127.0.0.1", port=1)).argv[-1] for root in ("/", "/image")
    )
    assert "su -s /bin/sh nobody" in inside
    assert "unshare --map-user=1000" in bare
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    ordinary = server.job(Stub(site=site("/image"), listen="127.0.0.1", port=1)).argv[-1]
    assert "unshare" not in ordinary
    assert "su -s" not in ordinary
