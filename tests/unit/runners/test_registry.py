import re
from importlib import import_module

import pytest

from tare.runners.errors import UsageError
from tare.runners.guests.qemu.profiles import PREFIX, PROFILES
from tare.runners.registry import KINDS, RUNNERS, by_display_order, check, connected


def test_the_base_comes_first_and_nothing_twice():
    assert check(["namespaces", "bare", "namespaces"]) == ("bare", "namespaces")


def test_a_rung_of_the_ladder_is_a_runner():
    assert check(["namespaces:+pid"]) == ("bare", "namespaces:+pid")


@pytest.mark.parametrize("name", ["bear", ""])
def test_an_unknown_runner_is_a_usage_error_that_lists_the_known(name):
    with pytest.raises(UsageError, match="namespaces"):
        check([name])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bare:+pid", "bare has no variants"),
        ("namespaces:+pud", r"did you mean \+pid\? Known: full, .*\+pid"),
    ],
)
def test_an_unknown_variant_is_a_usage_error_that_says_which_there_are(name, why):
    with pytest.raises(UsageError, match=why):
        check([name])


@pytest.mark.parametrize("asked", ["qemu-microvm:net=user+pin", "qemu-microvm:pin+net=user"])
def test_a_variant_is_named_in_one_way(asked):
    assert check([asked]) == ("bare", "qemu-microvm:pin+net=user")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("dokcer", "docker"),
        ("qemu-microvn", "qemu-microvm"),
        ("firecraker", "firecracker"),
        ("dockr:none", "docker"),
    ],
)
def test_a_misspelled_runner_is_answered_with_the_nearest(name, near):
    with pytest.raises(UsageError, match=rf"did you mean {near}(:none)?\?"):
        check([name])


@pytest.mark.parametrize("row", RUNNERS.values(), ids=lambda row: row.name)
def test_every_row_names_code_that_is_there(row):
    module, _, name = row.factory.partition(":")
    assert callable(getattr(import_module(module), name))
    variants = row.known_variants()
    if variants:
        assert variants.problem(row.name, "no such variant")
        assert all(not variants.problem(row.name, one) for one in variants.known)
        assert all(variants.spelled(one) == one for one in variants.known)


def test_every_runner_has_a_colour_and_a_rank_of_its_own():
    colours = [row.color for row in RUNNERS.values()]
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)
    assert len(set(colours)) == len(colours)
    ordered = by_display_order()
    assert ordered[0].name == "bare"
    assert len({(row.kind, row.rank) for row in ordered}) == len(ordered)
    assert [row.kind for row in ordered] == sorted((row.kind for row in ordered), key=KINDS.index)


def test_every_guest_profile_is_a_runner():
    assert {f"{PREFIX}{name}" for name in PROFILES} == {name for name in RUNNERS if name.startswith(PREFIX)}


def test_a_variant_written_as_pytest_writes_parameters_is_shown_in_our_spelling():
    with pytest.raises(UsageError, match=r"variants are written .*: qemu-microvm:cpus=2\+pin\."):
        check(["qemu-microvm[cpus=2,pin]"])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("bare", ()),
        ("docker", ()),
        ("namespaces", ("namespaces:bridge",)),
        ("namespaces:bridge", ()),
        ("namespaces:+pid", ()),
        ("namespaces@head", ()),
        ("qemu-microvm", ("qemu-microvm:net=tap", "qemu-microvm:net=user")),
        ("qemu-microvm:pin", ("qemu-microvm:pin+net=tap", "qemu-microvm:pin+net=user")),
        ("qemu-q35:net=user", ()),
    ],
)
def test_a_network_is_added_only_to_a_runner_whose_name_says_nothing_of_it(name, found):
    assert connected(name) == found
    assert check(found) == ("bare", *found)
