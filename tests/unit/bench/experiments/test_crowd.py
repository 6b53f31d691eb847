"""Many places at once, on fakes."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from support.stub import Duck, Stub
from tare.bench.experiments import crowd, density, starts
from tare.bench.experiments.base import Lab
from tare.bench.experiments.density import Density, Ramp
from tare.bench.experiments.starts import STARTS, Start, Starts
from tare.bench.measurable import CrowdSettings, Terms, Unsuitable
from tare.results.details import PlacesMemory
from tare.runners.context import RunContext
from tare.runners.fake import FakeRunner
from tare.runners.model import Limits

GIB = 1 << 30
LIMITS = Limits(cpus=2, memory_bytes=GIB, cpuset=(0, 1))
AVAILABLE_BYTES = crowd.available_bytes
TWO = Starts(2, "starts-2", "")


def lab(runner, job_seconds=0.0, **settings):
    context = RunContext("run", Path("/nowhere"), Path("/nowhere"), launcher=None)
    return Lab(runner, None, LIMITS, context, None, CrowdSettings(**settings), job_seconds, say=print)


@pytest.fixture(autouse=True)
def host(monkeypatch):
    """A host with 16 GiB, of which places take 1 MiB each."""
    found: Any = {"available": 16 * GIB, "place": 1 << 20}

    def read_memory(vantages, run, kind):
        n = len(vantages)
        found["read"] = [*found.get("read", []), n]
        return PlacesMemory(
            places=n, processes=n, pss_bytes=n * found["place"], cgroups_bytes=None, attendants_bytes=0,
            daemons_bytes=7 if kind == "docker" else None, available_bytes=found["available"],
        )  # fmt: skip

    monkeypatch.setattr(crowd, "available_bytes", lambda: found["available"])
    monkeypatch.setattr(density, "read_memory", read_memory)
    return found


def named(findings):
    return {metric.name: metric for metric in findings.metrics}


# -- budget


def test_a_quarter_of_what_is_available_may_be_used_unless_something_else_is_asked_for():
    assert crowd.budget_bytes(CrowdSettings()) == 4 * GIB
    assert crowd.budget_bytes(CrowdSettings(memory_budget_bytes=GIB)) == GIB


def test_more_than_half_of_what_is_available_is_refused_with_the_remedy():
    with pytest.raises(Unsuitable, match="8192M"):
        crowd.budget_bytes(CrowdSettings(memory_budget_bytes=9 * GIB))


def test_available_memory_is_read_as_the_kernel_writes_it(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       9 kB\nMemAvailable:   3 kB\n")
    assert AVAILABLE_BYTES(meminfo) == 3072
    meminfo.write_text("MemTotal:       9 kB\n")
    with pytest.raises(Unsuitable):
        AVAILABLE_BYTES(meminfo)


@pytest.mark.parametrize(
    ("count", "accelerator", "settings", "why"),
    [
        (32, "none", {}, ""),
        (64, "none", {}, "More than 32 places"),
        (4, "tcg", {}, "may need 4352M"),
        (4, "tcg", {"memory_budget_bytes": 5 * GIB}, ""),
        (8, "tcg", {"memory_budget_bytes": 8 * GIB}, "More than 4 emulated guests"),
        (8, "kvm", {"memory_budget_bytes": 4 * GIB}, "may need 8704M"),
    ],
)
def test_no_more_at_once_than_cpus_and_memory_allow(count, accelerator, settings, why):
    each = Starts(count, f"starts-{count}", "")
    terms = Terms(LIMITS, CrowdSettings(**settings))
    if why:
        with pytest.raises(Unsuitable, match=why):
            each.admit(FakeRunner("box", accelerator=accelerator), terms)
    else:
        each.admit(FakeRunner("box", accelerator=accelerator), terms)


# -- starts


def test_the_names_say_how_many_and_all_have_to_be_asked_for():
    assert [each.name for each in STARTS] == [f"starts-{each.count}" for each in STARTS]
    assert all(each.from_mode == "named" and each.parameters == {"at_once": each.count} for each in STARTS)
    assert Density().from_mode == "named"


def test_a_burst_starts_as_many_places_and_leaves_none():
    runner = FakeRunner("box")
    findings = TWO.perform(lab(runner))
    assert runner.openings == 2
    assert runner.open_places == 0
    assert findings.failure is None
    assert [len(burst) for burst in findings.details.bursts] == [2]
    assert all(start.asked_ns <= start.ready_ns <= start.gone_ns for start in findings.details.bursts[0])


def test_bursts_are_repeated_for_the_length_of_a_job(monkeypatch):
    # A clock that says 0 at first, and 20 ms more after each burst.
    monkeypatch.setattr(
        starts, "time", Stub(monotonic=count(0.0, 0.02).__next__, monotonic_ns=time.monotonic_ns)
    )
    runner = FakeRunner("box")
    findings = TWO.perform(lab(runner, job_seconds=0.05))
    assert len(findings.details.bursts) == 3
    assert named(findings)["starts.latency"].samples == runner.openings == 2 * len(findings.details.bursts)


def test_latency_counts_from_the_hand_over_and_the_rate_over_all_of_a_burst():
    ms = 1_000_000
    both = starts.Burst((Start(0, 10 * ms, 12 * ms), Start(2 * ms, 20 * ms, 30 * ms)))
    found = {metric.name: metric.value for metric in starts._metrics([both])}
    assert found["starts.latency"] == pytest.approx(0.014)
    assert found["starts.latency.slowest"] == pytest.approx(0.018)
    assert found["starts.rate"] == pytest.approx(2 / 0.020)
    assert found["starts.in_flight"] == pytest.approx(0.028 / 0.020)
    assert found["starts.harness.spread"] == pytest.approx(0.002)
    assert found["starts.total"] == pytest.approx((0.012 + 0.028) / 2)
    assert "starts.latency.p99" not in found


def test_a_p99_needs_a_hundred_starts():
    many = starts.Burst(tuple(Start(0, ready * 1000, ready * 1000) for ready in range(1, 101)))
    found = {metric.name: metric for metric in starts._metrics([many])}
    assert found["starts.latency.p99"].samples == 100
    assert 98e-6 < found["starts.latency.p99"].value <= 100e-6


def test_exactly_one_metric_is_judged_and_guests_say_whose_clock_it_is():
    findings = TWO.perform(lab(FakeRunner("box", guest=True)))
    assert [metric.name for metric in findings.metrics if metric.primary] == ["starts.latency"]
    assert named(findings)["starts.latency"].clock == "guest-mapped"
    assert named(findings)["starts.latency"].error == pytest.approx(1e-6)


def test_a_failed_start_fails_the_trial_and_the_others_are_gone():
    runner = FakeRunner("box", open_failures={1: "no luck"})
    findings = TWO.perform(lab(runner))
    assert "1 of 2 starts at once failed, the first because: no luck" in findings.failure.reason
    assert findings.failure.remedy
    assert runner.open_places == 0


class Gated(FakeRunner):
    """Waits where a real one would launch; fails before that if told so."""

    def open(self, first=None):
        from tare.runners.launcher import connection  # noqa: PLC0415

        place = super().open(first)
        try:
            connection._before_launch()
        except BaseException:
            place.close()
            raise
        return place


def test_all_of_a_burst_are_launched_after_all_are_prepared():
    runner = Gated("box")
    with ThreadPoolExecutor(4) as pool:
        made = starts.burst(pool, runner, 4)
    assert len(made.starts) == 4
    assert not made.failures
    assert runner.open_places == 0


def test_one_that_fails_before_its_launch_sets_the_others_free():
    runner = Gated("box", open_failures={0: "no luck"})
    with ThreadPoolExecutor(3) as pool:
        made = starts.burst(pool, runner, 3)
    assert made.failures[0].reason == "no luck"
    assert len(made.failures) == 3
    assert runner.open_places == 0


def test_an_interruption_sets_those_free_that_wait(monkeypatch):
    runner = Gated("box")
    barriers = []
    original = threading.Barrier

    def barrier(*words, **named):
        barriers.append(original(*words, **named))
        return barriers[-1]

    monkeypatch.setattr(threading, "Barrier", barrier)

    class Pool(ThreadPoolExecutor, Duck):
        def submit(self, /, *words, **named):
            if self.count == 2:
                raise KeyboardInterrupt
            self.count += 1
            return super().submit(*words, **named)

        count = 0

    with pytest.raises(KeyboardInterrupt), Pool(3) as pool:
        starts.burst(pool, runner, 3)
    assert barriers[0].broken
    assert runner.open_places == 0


# -- density


def test_the_ramp_stops_at_the_most_places_and_memory_is_read_at_powers_of_two_and_at_the_end(host):
    runner = FakeRunner("box")
    findings = Density().perform(lab(runner, job_seconds=10, most_places=6))
    assert host["read"] == [0, 1, 2, 4, 6]
    assert runner.openings == 6
    assert runner.open_places == 0
    assert "6 places" in findings.details.stopped
    assert len(findings.details.start_seconds) == 6
    found = named(findings)
    assert found["density.pss"].value == host["place"]
    assert found["density.pss"].primary
    assert found["density.places"].value == 6


def test_the_ramp_stops_at_the_memory_budget(host):
    host["place"] = 100 << 20
    findings = Density().perform(lab(FakeRunner("box"), job_seconds=10, memory_budget_bytes=GIB))
    assert named(findings)["density.places"].value == 10
    assert "memory budget of 1024M" in findings.details.stopped


def test_the_ramp_stops_when_the_host_loses_more_than_places_are_seen_to_take(host):
    class Leaky(FakeRunner):
        def open(self, first=None):
            host["available"] -= GIB
            return super().open(first)

    findings = Density().perform(lab(Leaky("box"), job_seconds=10, memory_budget_bytes=2 * GIB))
    assert named(findings)["density.places"].value == 5
    assert "less available" in findings.details.stopped


def test_the_ramp_stops_when_its_time_is_over(monkeypatch):
    monkeypatch.setattr(density, "LEAST_SECONDS", 0.0)
    findings = Density().perform(lab(FakeRunner("box"), job_seconds=0))
    assert "0 s have passed" in findings.details.stopped


def test_a_place_that_cannot_be_opened_ends_the_ramp_as_a_failure_that_keeps_what_was_seen(host):
    runner = FakeRunner("box", open_failures={5: "no more pids"})
    findings = Density().perform(lab(runner, job_seconds=10))
    assert "place 6 could not be opened: no more pids" in findings.failure.reason
    assert findings.failure.remedy
    assert [one.places for one in findings.details.memory] == [0, 1, 2, 4, 5]
    assert runner.open_places == 0


def test_an_interruption_on_the_way_up_closes_all_places():
    class Interrupted(FakeRunner):
        def open(self, first=None):
            if self.openings == 3:
                raise KeyboardInterrupt
            return super().open(first)

    runner = Interrupted("box")
    with pytest.raises(KeyboardInterrupt):
        Density().perform(lab(runner, job_seconds=10))
    assert runner.open_places == 0


def test_daemons_are_apart_and_only_where_the_kind_has_some():
    assert (
        named(Density().perform(lab(FakeRunner("docker:none"), 10, most_places=2)))[
            "density.daemons.idle"
        ].value
        == 7
    )
    assert "density.daemons.idle" not in named(Density().perform(lab(FakeRunner("box"), 10, most_places=2)))


def test_memory_that_cannot_be_seen_is_no_metric(host, monkeypatch):
    blind = PlacesMemory(
        places=1, processes=0, pss_bytes=None, cgroups_bytes=None, attendants_bytes=None, daemons_bytes=None,
        available_bytes=1,
    )  # fmt: skip
    monkeypatch.setattr(density, "read_memory", lambda *_words: blind)
    found = named(Density().perform(lab(FakeRunner("box"), 10, most_places=1)))
    assert "density.pss" not in found
    assert "density.start.last_quarter" in found


def test_closing_goes_on_with_the_others_if_one_cannot_be_closed(monkeypatch):
    runner = FakeRunner("box")
    ramp = Ramp()
    with pytest.raises(OSError, match="stuck"), ExitStack() as stack:  # noqa: PT012
        for _ in range(3):
            ramp.places.append(stack.enter_context(runner.open()))
        real = ramp.places[1].close
        state = {"first": True}

        def stubborn():
            if state.pop("first", False):
                raise OSError("stuck")
            real()

        monkeypatch.setattr(ramp.places[1], "close", stubborn)
        density._close(ramp.places)
    assert runner.open_places == 0


def test_several_places_are_closed_at_the_same_time(monkeypatch):
    meeting = threading.Barrier(4, timeout=30)

    class Slow(FakeRunner):
        def open(self, first=None):
            place = super().open(first)
            real = place.close
            monkeypatch.setattr(
                place, "close", lambda: (real(), meeting.wait()) if not place._closed else None
            )
            return place

    runner = Slow("box")
    Density().perform(lab(runner, 10, most_places=4))
    assert runner.open_places == 0
