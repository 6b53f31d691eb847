"""The director, on a made-up cluster: whatever becomes of hosts, the campaign ends whole, with reasons, and nothing is lost."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fleet_double import REQUEST, FakeCluster
from tare.bench.fleet.director import Director
from tare.bench.fleet.inbox import Inbox
from tare.bench.fleet.messages import Ended
from tare.results.storage.fleet import Fleet, read_fleet, write_fleet
from tare.results.storage.load import load_run


def fleet(**hosts):
    return Fleet(version=1, campaign="c", created="2026-11-27T02:00:00Z", request=REQUEST, hosts=hosts)


@pytest.fixture
def direct(tmp_path):
    """Drive a campaign over a cluster to its end; return what became of the hosts and what was said."""

    def drive(cluster, begun=None, **changes):
        said = []
        director = Director(
            begun or fleet(), cluster, Inbox(tmp_path), lambda now: write_fleet(tmp_path, now), said.append, "1",
            wait_seconds=changes.pop("wait_seconds", 5.0), now=lambda: cluster.clock, **changes,
        )  # fmt: skip
        ended = director.run()
        assert not ended.hosts or read_fleet(tmp_path, "c") == ended
        assert not director.active
        return ended, said

    return drive


def stored(folder, run):
    return [trial.number for trial in load_run(folder / run).trials()]


def test_every_host_makes_one_run_and_forgets_it(direct, tmp_path):
    cluster = FakeCluster()
    cluster.add("a")
    cluster.add("b")
    ended, _ = direct(cluster)
    assert {host: entry.status for host, entry in ended.hosts.items()} == {"a": "complete", "b": "complete"}
    for entry in ended.hosts.values():
        (run,) = entry.runs
        assert stored(tmp_path, run) == [0, 1, 2, 3]
        assert load_run(tmp_path / run).manifest.status == "complete"
    assert sorted(cluster.forgotten) == ["a", "b"]
    assert [order.request for order in cluster.orders] == [REQUEST, REQUEST]
    assert cluster.orders[0].labels == {"fleet": "c", "fleet.host": "a"}


def test_what_messages_lost_is_fetched(direct, tmp_path):
    cluster = FakeCluster(deaf=True)
    cluster.add("a")
    ended, _ = direct(cluster)
    assert stored(tmp_path, ended.hosts["a"].runs[0]) == [0, 1, 2, 3]


def test_a_second_worker_of_a_host_measures_nothing(direct):
    cluster = FakeCluster()
    cluster.add("a")
    cluster.there["tcp://a:2"] = cluster.there["tcp://a"]
    ended, said = direct(cluster)
    assert [order.host for order in cluster.orders] == ["a"]
    assert list(ended.hosts) == ["a"]
    assert any("one measures at a time" in line for line in said)


def at(cluster, step, what):
    """Let something happen at the n-th time that the director waits."""
    steps = iter(range(10_000))
    cluster.at_wait = lambda _: what() if next(steps) == step else None


def test_a_lost_host_loses_nothing_that_came_in_and_one_of_its_class_goes_on(direct, tmp_path):
    cluster = FakeCluster()
    for host in "ab":
        cluster.add(host)
    at(cluster, 4, lambda: cluster.kill("a"))
    ended, _ = direct(cluster)
    a, b = ended.hosts["a"], ended.hosts["b"]
    assert a.status == "lost"
    assert "b measured what it had left" in a.reason
    assert b.status == "complete"
    assert b.instead == ("a",)
    assert len(b.runs) == 2
    assert len(stored(tmp_path, a.runs[0])) >= 1
    assert load_run(tmp_path / a.runs[0]).manifest.status == "interrupted"
    assert cluster.orders[-1].request.settings["run.budget"] < 40


@pytest.mark.parametrize(
    ("of_class", "skips"), [("B", ()), ("A", ("qemu-microvm",))], ids=["class", "abilities"]
)
def test_no_other_host_goes_on_if_it_is_unlike(direct, of_class, skips):
    cluster = FakeCluster(skips={"b": skips})
    cluster.add("a")
    cluster.add("b", of_class)
    at(cluster, 4, lambda: cluster.kill("a"))
    ended, _ = direct(cluster)
    assert ended.hosts["a"].status == "lost"
    assert "no other host of its class" in ended.hosts["a"].reason
    assert len(cluster.orders) == 2


def test_a_host_that_comes_back_goes_on_with_its_run(direct, tmp_path):
    cluster = FakeCluster(trials=6)
    cluster.add("a")
    cluster.add("b", "B")
    at(cluster, 3, lambda: cluster.kill("a"))
    cluster_wait = cluster.at_wait

    def come_back(one):
        cluster_wait(one)
        if one.clock >= 3:
            one.there.setdefault(
                "tcp://a:2", msgspec.structs.replace(one.there["tcp://b"], host="a", host_class="A")
            )

    cluster.at_wait = come_back
    ended, _ = direct(cluster)
    assert ended.hosts["a"].status == "complete"
    (run,) = ended.hosts["a"].runs
    assert stored(tmp_path, run) == list(range(6))
    again = cluster.orders[-1]
    assert (again.run, again.attempt) == (run, 2)
    assert again.trials


def test_another_worker_at_the_same_address_is_noticed_by_its_silence(direct, tmp_path):
    cluster = FakeCluster()
    cluster.add("a")

    def swap():
        cluster.kill("a")
        cluster.add("a")

    at(cluster, 2, swap)
    ended, _ = direct(cluster)
    (run,) = ended.hosts["a"].runs
    assert ended.hosts["a"].status == "complete"
    assert stored(tmp_path, run) == [0, 1, 2, 3]


def test_a_host_that_cannot_measure_says_why(direct):
    cluster = FakeCluster(
        fails={"a": Ended(token="", code=3, said="no runner can be used here", run="", size=0)}
    )
    for host in "ab":
        cluster.add(host)
    cluster.add("old", version="0")
    cluster.there["tcp://c"] = "the Python of its worker has no tare"
    ended, said = direct(cluster)
    assert {host: entry.status for host, entry in ended.hosts.items()} == {
        "a": "unable", "b": "complete", "old": "unable", "tcp://c": "unable",
    }  # fmt: skip
    assert ended.hosts["a"].reason == "no runner can be used here"
    assert "install the same" in ended.hosts["old"].reason
    assert any("no tare" in line for line in said)


def test_a_lost_scheduler_keeps_what_came_in_and_the_campaign_can_be_gone_on_with(direct, tmp_path):
    cluster = FakeCluster()
    cluster.add("a")

    def lose():
        cluster.gone = True

    at(cluster, 3, lose)
    ended, _ = direct(cluster)
    a = ended.hosts["a"]
    assert (a.status, a.reason) == ("interrupted", "it is gone")
    before = stored(tmp_path, a.runs[0])
    assert before
    again = FakeCluster()
    again.add("a")
    ended, _ = direct(again, ended)
    assert ended.hosts["a"].status == "complete"
    assert ended.hosts["a"].runs == a.runs
    assert stored(tmp_path, a.runs[0]) == [0, 1, 2, 3]
    assert again.orders[0].trials.count(b"\n") == len(before)


def test_ctrl_c_ends_the_runs_on_all_hosts_and_takes_in_the_rest(direct, tmp_path):
    cluster = FakeCluster()
    cluster.add("a")

    def interrupt():
        raise KeyboardInterrupt

    at(cluster, 3, interrupt)
    ended, said = direct(cluster)
    a = ended.hosts["a"]
    assert a.status == "interrupted"
    assert load_run(tmp_path / a.runs[0]).manifest.status == "interrupted"
    assert len(stored(tmp_path, a.runs[0])) == cluster.made[0].number
    assert any("Ctrl-C again" in line for line in said)


def test_a_campaign_goes_on_with_the_workers_that_were_told_to_end_it(direct, tmp_path):
    cluster = FakeCluster()
    cluster.add("a")

    def interrupt():
        raise KeyboardInterrupt

    at(cluster, 3, interrupt)
    ended, _ = direct(cluster)
    cluster.last, cluster.at_wait = None, lambda _cluster: None
    ended, _ = direct(cluster, ended)
    a = ended.hosts["a"]
    assert a.status == "complete"
    assert stored(tmp_path, a.runs[0]) == [0, 1, 2, 3]


def test_a_campaign_without_hosts_ends_after_the_wait(direct):
    cluster = FakeCluster()
    ended, _ = direct(cluster, wait_seconds=3.0)
    assert ended.hosts == {}
    assert 3 <= cluster.clock < 5


def test_a_host_of_another_class_does_not_go_on_with_a_run(direct, tmp_path):
    cluster = FakeCluster()
    cluster.add("a")
    at(cluster, 3, lambda: setattr(cluster, "gone", True))
    ended, _ = direct(cluster)
    other = FakeCluster()
    other.add("a", "B")
    ended, _ = direct(other, ended)
    assert other.orders == []
    assert "came back as B" in ended.hosts["a"].reason


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 14), st.booleans()), max_size=6))
def test_whatever_comes_and_goes_no_trial_is_lost_or_twice(tmp_path_factory, events):
    folder = tmp_path_factory.mktemp("fleet")
    cluster = FakeCluster(trials=5)
    facts = {}
    for host in "abc":
        cluster.add(host)
        facts[host] = cluster.there[f"tcp://{host}"]
    steps = iter(range(10_000))

    def happen(one):
        now = next(steps)
        for host, when, comes in events:
            if when == now and comes:
                one.there.setdefault(f"tcp://{host}", facts[host])
            elif when == now and f"tcp://{host}" in one.there:
                one.kill(host)

    cluster.at_wait = happen
    director = Director(
        fleet(),
        cluster,
        Inbox(folder),
        lambda _: None,
        lambda _: None,
        "1",
        wait_seconds=3.0,
        now=lambda: cluster.clock,
    )
    ended = director.run()
    for entry in ended.hosts.values():
        assert (entry.status == "complete") == (not entry.reason)
        for run in entry.runs:
            numbers = stored(folder, run)
            assert numbers == list(range(len(numbers)))
        if entry.status == "complete":
            assert stored(folder, entry.runs[0]) == list(range(5))
    taken = [lost for entry in ended.hosts.values() for lost in entry.instead]
    assert len(taken) == len(set(taken))
