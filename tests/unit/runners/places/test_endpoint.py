"""The way to a server in a place: which network namespace, and which address there."""

import os

import pytest

from tare.runners.places.endpoint import find_endpoint, own_address

BRIDGED = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.88.0.0/24 2 0 1
        +-- 10.88.0.0/30 2 0 2
           |-- 10.88.0.0
              /24 link UNICAST
           |-- 10.88.0.2
              /32 host LOCAL
        |-- 10.88.0.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
"""
ALONE = """Local:
  +-- 127.0.0.0/8 2 0 2
     +-- 127.0.0.0/31 1 0 0
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
"""


def test_the_own_address_is_neither_a_network_nor_the_loopback():
    assert own_address(BRIDGED) == "10.88.0.2"


@pytest.mark.parametrize("text", [ALONE, "", "|--\n/32 host LOCAL"])
def test_a_place_without_a_card_has_none(text):
    assert own_address(text) == ""


def test_a_process_in_the_hosts_network_is_reached_by_localhost():
    found = find_endpoint(os.getpid(), 80, None)
    assert (found.address, found.port, found.path, found.network) == ("127.0.0.1", 80, "host", "")
    assert found.from_places == ("127.0.0.1", 80)


@pytest.mark.parametrize("pid", [0, 1 << 30])
def test_an_agent_that_is_not_visible_has_no_endpoint(pid):
    assert find_endpoint(pid, 80, "") is None
