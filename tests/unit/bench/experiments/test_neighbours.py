"""Neighbours: what is bounded, which CPUs both have, and how slowdowns come about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from support.campaigns import LIMITS
from support.stub import Stub
from tare.bench.experiments import neighbours
from tare.bench.experiments.base import Lab
from tare.bench.experiments.neighbours import NEIGHBOURS, STRESSORS, Neighbours
from tare.bench.measurable import CrowdSettings, Terms, Unsuitable
from tare.runners.errors import Missing, PlaceFailure, TareError
from tare.runners.fake import FakeRunner

if TYPE_CHECKING:
    from tare.runners.model import Limits

TRIPS = b"round_trips 3000\nelapsed_ns 9\np50_ns 1\np99_ns 20\np999_ns 30\nmax_ns 40\n"
LIMITED = {"memory_limit_by": "cgroup", "pids_limit_by": "cgroup"}
IMAGE = Stub(key="k", argv=lambda root, program, *words: (f"{root}{program}", *words), environ=lambda *_: {})


class Siblings:
    """Make fakes; those for other CPUs are other runners."""

    def __init__(self, **options: Any) -> None:
        self.made: dict[Limits, FakeRunner] = {}
        self.names: list[str] = []
        self.options = {"context": LIMITED, **options}

    def get(self, name: str, _image: Any, limits: Limits) -> FakeRunner:
        self.names.append(name)
        answer = lambda job, _chance: TRIPS if "net-loopback" in job.argv else b""  # noqa: E731
        return self.made.setdefault(limits, FakeRunner(name, answer=answer, **self.options))


@pytest.fixture(autouse=True)
def _four_cpus(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    monkeypatch.setattr(neighbours, "keep_apart", lambda *_words: "as told")


def lab(siblings: Any, limits: Limits = LIMITS) -> Lab:
    stand_in: Any = None
    return Lab(FakeRunner("box"), IMAGE, limits, stand_in, stand_in, CrowdSettings(), 0.1, print, siblings)


@pytest.mark.parametrize("one", NEIGHBOURS, ids=lambda one: one.name)
def test_victims_are_measured_apart_and_shared_and_nothing_stays(one: Neighbours):
    siblings = Siblings()
    found = one.perform(lab(siblings))
    values = {each.name: each.value for each in found.metrics}
    assert values == pytest.approx(
        {
            f"neighbours.{victim}.{kind}": 1.0
            for victim in ("throughput", "latency")
            for kind in ("apart", "shared")
        }
    )
    assert [each.name for each in found.metrics if each.primary] == ["neighbours.throughput.apart"]
    assert found.context["victim_cpus"] == "as told"
    assert [limits.cpuset for limits in siblings.made] == [(0, 1), (2, 3), (0, 1, 2, 3)]
    assert all((each.open_places, each.services) == (0, 0) for each in siblings.made.values())


def test_a_victim_that_takes_twice_as_long_beside_the_stressor_is_slowed_down_by_two(monkeypatch):
    times = iter([1.0, 2.0] * 6)
    monkeypatch.setattr(
        neighbours, "_victims", lambda _place: [("throughput", next(times)), ("latency", 1.0)]
    )
    found = {one.name: one.value for one in NEIGHBOURS[0].perform(lab(Siblings())).metrics}
    assert found["neighbours.throughput.apart"] == 2
    assert found["neighbours.latency.shared"] == 1


@pytest.mark.parametrize("one", STRESSORS, ids=lambda one: one.name)
def test_every_stressor_ends_by_itself_and_takes_less_than_the_places_memory(one):
    limits = replace(LIMITS, memory_bytes=1 << 30, cpuset=(0, 1))
    job = Neighbours(one)._job(Stub(root="/", scratch="/scratch"), IMAGE, limits)
    assert job.argv[job.argv.index("--timeout") + 1] == "60s"
    assert job.argv[job.argv.index("--temp-path") + 1] == "/scratch"
    for word, value in zip(job.argv, job.argv[1:], strict=False):
        if word == "--vm-bytes":
            assert int(value) < 0.7 * limits.memory_bytes
        if word in {"--cpu", "--stream", "--fork", "--sock", "--vm", "--hdd"}:
            assert int(value) <= 2


def test_a_stressor_that_ends_early_is_a_failure_and_nothing_stays():
    siblings = Siblings(service_jobs=1)
    with pytest.raises((TareError, PlaceFailure), match="the stressor cpu ended"):
        NEIGHBOURS[0].perform(lab(siblings))
    assert all((each.open_places, each.services) == (0, 0) for each in siblings.made.values())


def test_one_cpu_is_not_enough_and_a_variant_has_no_neighbour():
    with pytest.raises(Unsuitable, match="a CPU each"):
        NEIGHBOURS[0].perform(lab(Siblings(), replace(LIMITS, cpuset=(2,))))

    def refuse(*_words: Any) -> Any:
        raise Missing("box@head is a variant of a comparison.", "")

    with pytest.raises(Unsuitable, match="variant of a comparison"):
        NEIGHBOURS[0].perform(lab(Stub(get=refuse)))


def named(name: str) -> Neighbours:
    (found,) = (one for one in NEIGHBOURS if one.name == name)
    return found


def test_a_pair_of_different_runners_has_the_stressor_under_the_other():
    siblings = Siblings()
    pair = named("neighbours-disk-in-qemu-microvm")
    pair.perform(lab(siblings))
    assert siblings.names == ["box", "qemu-microvm"] * 2
    assert (pair.family, pair.from_mode) == ("neighbour-pairs", "named")
    assert pair.parameters == {"stressor": "disk", "neighbour": "qemu-microvm"}


def test_a_runner_is_no_pair_with_itself():
    with pytest.raises(Unsuitable, match="neighbours-cpu measures those of the same"):
        named("neighbours-cpu-in-namespaces").admit(FakeRunner("namespaces"), Terms(LIMITS))
    named("neighbours-cpu-in-namespaces").admit(FakeRunner("bare"), Terms(LIMITS))


@pytest.mark.parametrize("stressor", ["memory", "forks"])
def test_what_has_to_be_contained_is_never_let_loose_on_bare_metal(stressor):
    with pytest.raises(Unsuitable, match="bare metal is none"):
        named(f"neighbours-{stressor}").admit(FakeRunner("bare"), Terms(LIMITS))
    assert not [one for one in NEIGHBOURS if one.name == f"neighbours-{stressor}-in-bare"]
    # A victim on bare metal beside a contained one is fine.
    named(f"neighbours-{stressor}-in-namespaces").admit(FakeRunner("bare"), Terms(LIMITS))


@pytest.mark.parametrize("stressor", ["memory", "forks"])
@pytest.mark.parametrize(
    "lacking", [{"memory_limit_by": "watching from outside"}, {"pids_limit_by": "rlimit"}, None]
)
def test_what_has_to_be_contained_is_let_loose_only_where_a_cgroup_or_a_guest_holds_it(stressor, lacking):
    siblings = Siblings(context={} if lacking is None else {**LIMITED, **lacking})
    with pytest.raises(Unsuitable, match="only where a cgroup limits memory and processes"):
        named(f"neighbours-{stressor}").perform(lab(siblings))
    assert all(
        not [word for word in each.log if word.startswith("start ")] for each in siblings.made.values()
    )
    assert all((each.open_places, each.services) == (0, 0) for each in siblings.made.values())
    named("neighbours-cpu").perform(lab(Siblings(context={})))
    guests = Siblings(context={"memory_limit_by": "guest memory", "pids_limit_by": "none"}, accelerator="kvm")
    assert named(f"neighbours-{stressor}").perform(lab(guests)).metrics
