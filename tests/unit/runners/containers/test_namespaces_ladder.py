"""The ladder: which runner is which rung, and what it is compared with."""

import pytest

from tare.results.environment import RungRecord
from tare.runners.containers.namespaces.ladder import TRUNK, known, ladder, ladder_rung, rung_record, rungs
from tare.runners.errors import TareError, UsageError
from tare.runners.host.cgroups.limits import CONTROLLERS
from tare.runners.registry import check


def test_the_full_container_is_the_top_of_the_trunk():
    for name in ("namespaces", "namespaces:full", "namespaces:+seccomp", "namespaces:seccomp"):
        assert ladder_rung(name, root=True) == ladder_rung("namespaces", root=True)
    parts = ladder_rung("namespaces", root=True).parts
    assert parts == tuple(part for part in TRUNK if part != "chroot")


@pytest.mark.parametrize("root", [True, False])
def test_each_rung_of_the_trunk_adds_one_part_to_the_one_below(root):
    for rung in TRUNK[2:]:
        stand = ladder_rung(f"namespaces:+{rung}", root=root)
        below = ladder_rung(f"namespaces:+{stand.below}", root=root)
        assert set(stand.parts) - set(below.parts) == {rung}
        assert set(below.parts) < set(stand.parts)


def test_mount_replaces_chroot_and_nothing_is_below_that():
    assert ladder_rung("namespaces:chroot", root=True).parts == ("chroot",)
    assert ladder_rung("namespaces:+mount", root=True).parts == ("mount",)
    found = rung_record(ladder_rung("namespaces:chroot", root=True), root=True)
    assert found == RungRecord(name="chroot", position=0, below=("bare",))


def test_branches_are_not_built_upon():
    assert "user" not in ladder_rung("namespaces:+net", root=True).parts
    assert ladder_rung("namespaces:+net-nat", root=True).network == "nat"
    assert ladder_rung("namespaces:+net-nat", root=True).below == "net-bridge"
    assert ladder_rung("namespaces:+cgroup:cpu", root=True).controllers == ("cpu",)
    assert ladder_rung("namespaces:+cgroup:cpu", root=True).below == "net"
    assert ladder_rung("namespaces:+cgroup", root=True).controllers == CONTROLLERS


def test_an_ordinary_user_has_a_user_namespace_on_every_rung():
    assert all("user" in ladder_rung(f"namespaces:{rung}", root=False).parts for rung in rungs())
    assert "namespaces:+user" not in ladder(root=False)
    assert rung_record(ladder_rung("namespaces:+user", root=False), root=False).below == ("bare",)


def test_the_ladder_is_every_rung_once_and_ends_with_the_container():
    names = ladder(root=True)
    assert names[0] == "namespaces:chroot"
    assert names[-1] == "namespaces"
    assert [ladder_rung(name, root=True).name for name in names] == list(rungs())
    for name in names:
        below = rung_record(ladder_rung(name, root=True), root=True).below
        assert set(below) <= {"bare", *names}
        assert below[-1] == "bare"
    nat = rung_record(ladder_rung("namespaces:+net-nat", root=True), root=True).below
    assert nat[:3] == ("namespaces:+net-bridge", "namespaces:+net-veth", "namespaces:+net")


@pytest.mark.parametrize("root", [True, False])
def test_a_privileged_container_is_the_full_one_with_nothing_taken_away_and_no_rung(root):
    full, privileged = (ladder_rung(f"namespaces:{name}", root=root) for name in ("full", "privileged"))
    assert set(full.parts) - set(privileged.parts) == {"caps", "seccomp"}
    assert rung_record(privileged, root=root) is None
    assert "privileged" in known()
    assert "namespaces:privileged" not in ladder(root=root)


def test_an_unknown_rung_is_named_with_the_known_ones():
    with pytest.raises(TareError, match=r"no rung 'nat'; known are full, chroot, \+mount"):
        ladder_rung("namespaces:+nat", root=True)


def test_ladder_stands_for_its_rungs_wherever_runners_are_asked_for():
    found = check(("ladder", "namespaces:+pid"))
    assert found[:2] == ("bare", "namespaces:chroot")
    assert found.count("namespaces:+pid") == 1
    assert {f"namespaces:{variant}" for variant in known() if variant not in {"full", "+seccomp"}} >= set(
        found
    ) - {"bare", "namespaces"}
    with pytest.raises(UsageError, match="Known: full, chroot"):
        check(("namespaces:+nat",))


@pytest.mark.parametrize("network", ["veth", "bridge", "nat"])
@pytest.mark.parametrize("root", [True, False])
def test_a_connected_container_is_the_full_one_with_a_network_and_no_rung(root, network):
    full, made = (ladder_rung(f"namespaces:{name}", root=root) for name in ("full", network))
    assert (made.parts, made.controllers, made.network) == (full.parts, full.controllers, network)
    assert rung_record(made, root=root) is None
    assert f"namespaces:{network}" not in ladder(root=root)
    assert network in known()
