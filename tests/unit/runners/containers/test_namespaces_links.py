"""Which places get a pair to which, and what becomes of refusals."""

import errno
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tare.runners.containers.namespaces.links import Links
from tare.runners.containers.namespaces.network import address_of, join, router
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.errors import PlaceFailure
from tare.runners.launcher.processes import SpawnError
from tare.runners.launcher.steps.namespaces import MapUser, NewNamespace
from tare.runners.launcher.steps.network import JoinBridge, JoinPair, LinkDirectly, MakeBridge

if TYPE_CHECKING:
    from tare.runners.containers.namespaces.ladder import Network


class Kernel:
    """Note the pairs that are asked for."""

    def __init__(self) -> None:
        self.pairs: list[LinkDirectly] = []
        self.refusal: Exception | None = None

    def perform(self, steps: tuple[Any, ...]) -> None:
        if self.refusal:
            raise self.refusal
        *_, enter, pair, enter_other, there = steps
        assert enter.describe() != enter_other.describe()
        assert (there.address, there.there, there.index) == (pair.there, pair.address, pair.peer_index)
        self.pairs.append(pair)

    @property
    def ends(self) -> list[tuple[str, str]]:
        return [(pair.address, pair.there) for pair in self.pairs]


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


def test_places_that_nobody_asks_have_no_pairs(kernel):
    links = Links(kernel.perform)
    for number in range(3):
        links.add(address_of(number), 100 + number)
    assert kernel.pairs == []


def test_a_place_that_serves_is_linked_once_to_each_that_is_or_comes(kernel):
    links = Links(kernel.perform)
    links.add("a", 1)
    links.add("b", 2)
    links.serve("a")
    links.add("c", 3)
    links.serve("a")
    links.serve("b")
    assert kernel.ends == [("b", "a"), ("c", "a"), ("c", "b")]
    indices = [(pair.index, pair.peer_index, pair.peer_pid) for pair in kernel.pairs]
    assert indices == [(10, 10, 1), (10, 11, 1), (11, 11, 2)], "no interface of a place has another's index"


def test_a_place_that_is_closed_is_linked_no_more_and_its_successor_anew(kernel):
    links = Links(kernel.perform)
    links.add("a", 1)
    links.serve("a")
    links.add("b", 2)
    links.remove("b")
    links.remove("b")
    links.add("b", 3)
    assert kernel.ends == [("b", "a"), ("b", "a")]
    assert [pair.peer_index for pair in kernel.pairs] == [10, 11]
    links.remove("a")
    links.add("c", 4)
    assert len(kernel.pairs) == 2


def test_a_refused_pair_is_a_failure_of_the_place_that_says_why(kernel):
    links = Links(kernel.perform)
    links.add("a", 1)
    links.add("b", 2)
    kernel.refusal = SpawnError("make link to0", errno.ESRCH)
    with pytest.raises(PlaceFailure, match="make link to0") as caught:
        links.serve("a")
    assert caught.value.remedy


def test_only_plain_pairs_have_no_bridge():
    kinds: tuple[Network, ...] = ("veth", "bridge", "nat")
    bridges = [any(isinstance(step, MakeBridge) for step in router(kind)) for kind in kinds]
    assert bridges == [False, True, True]
    assert [type(join(kind, 0)) for kind in kinds] == [JoinPair, JoinBridge, JoinBridge]


@pytest.mark.parametrize("kind", ["veth", "bridge", "nat"])
def test_an_ordinary_users_network_is_roots_in_a_user_namespace(kind):
    assert router(kind, (1000, 1001)) == (NewNamespace("user"), MapUser(1000, 1001), *router(kind))


@pytest.mark.parametrize("rung", ["net-veth", "net-bridge", "net-nat"])
def test_an_ordinary_user_is_told_why_a_network_is_no_rung_and_what_to_measure(rung, monkeypatch, tmp_path):
    monkeypatch.setattr("os.getuid", lambda: 1000)
    context: Any = SimpleNamespace(workdir=tmp_path)
    probe = Namespaces(context, f"namespaces:+{rung}").probe()
    assert not probe.ok
    assert "share a user namespace" in probe.reason
    assert probe.remedy == f"measure namespaces:{rung.removeprefix('net-')}, or run as root"


def test_links_of_places_differ_in_name_index_and_address():
    made = [join("veth", number) for number in range(300)]
    assert len({(step.link, step.link_index, step.address) for step in made}) == 300
    assert len(join("veth", 10**6).link) < 16, "longer names are refused by the kernel"
