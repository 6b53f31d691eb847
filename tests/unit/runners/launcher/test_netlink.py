"""Netlink requests are well-formed and say what was asked."""

import struct

from support.launcher_program import instructions
from tare.runners.launcher import netlink
from tare.runners.launcher.steps.base import Op
from tare.runners.launcher.steps.namespaces import CLONE_FLAGS, EnterNamespace
from tare.runners.launcher.steps.network import (
    JoinBridge,
    JoinPair,
    LinkDirectly,
    MakeBridge,
    MakePair,
    Masquerade,
    SetDirectAddress,
)


def messages(data):
    """(type, flags, body) of each message of a batch."""
    while data:
        length, kind, flags, _sequence, _port = struct.unpack_from("=IHHII", data)
        assert length % 4 == 0
        yield kind, flags, data[16:length]
        data = data[length:]


def attributes(data):
    """Kind without flags → value; what is nested stays bytes."""
    found = {}
    while data:
        length, kind = struct.unpack_from("=HH", data)
        assert length >= 4
        found[kind & 0x3FFF] = data[4:length]
        data = data[length + -length % 4 :]
    return found


def test_a_bridge_is_a_link_of_that_kind_name_and_index():
    ((kind, flags, body),) = messages(netlink.new_bridge("tare0", 100, b"\x02Btare"))
    assert (kind, flags & 4) == (16, 4)
    assert struct.unpack_from("=BBHiII", body) == (0, 0, 0, 100, 1, 1)
    found = attributes(body[16:])
    assert (found[1], found[3]) == (b"\x02Btare", b"tare0\0")
    assert attributes(found[18]) == {1: b"bridge\0"}


def test_a_pair_has_its_other_end_in_the_process_namespace_and_not_yet_up():
    ((_, _, body),) = messages(netlink.new_pair("veth7", 0, "eth0", 2, 1, bridge=100))
    found = attributes(body[16:])
    assert (found[3], found[10]) == (b"veth7\0", struct.pack("=I", 100))
    info = attributes(found[18])
    assert info[1] == b"veth\0"
    peer = attributes(info[2])[1]
    assert struct.unpack_from("=BBHiII", peer) == (0, 0, 0, 2, 0, 1)
    assert attributes(peer[16:]) == {3: b"eth0\0", 19: struct.pack("=I", 1)}


def test_addresses_and_routes_are_in_network_order():
    ((kind, _, body),) = messages(netlink.new_address(2, "198.18.0.5", 16))
    assert kind == 20
    assert struct.unpack_from("=4BI", body) == (2, 16, 0, 0, 2)
    assert attributes(body[8:]) == {1: bytes([198, 18, 0, 5]), 2: bytes([198, 18, 0, 5])}
    ((kind, _, body),) = messages(netlink.new_default_route(2, "198.18.0.1"))
    assert kind == 24
    assert attributes(body[12:]) == {5: bytes([198, 18, 0, 1]), 4: struct.pack("=I", 2)}


def test_an_address_of_a_point_to_point_link_names_the_other_end():
    ((_, _, body),) = messages(netlink.new_address(2, "198.18.0.5", 32, peer="198.18.0.1"))
    assert struct.unpack_from("=4BI", body) == (2, 32, 0, 0, 2)
    assert attributes(body[8:]) == {1: bytes([198, 18, 0, 1]), 2: bytes([198, 18, 0, 5])}


def test_a_batch_is_its_requests_with_one_acknowledgement():
    parts = (netlink.new_pair("veth7", 1007, "eth0", 2, 1), netlink.new_address(1007, "198.18.0.1", 32))
    found = list(messages(netlink.batch(*parts)))
    assert [bool(flags & 4) for _, flags, _ in found] == [False, True]
    assert [(kind, body) for kind, _, body in found] == [
        (kind, body) for part in parts for kind, _, body in messages(part)
    ]


def test_a_plain_pair_is_made_and_addressed_at_its_outer_end_by_one_request():
    keep, unshare, outer, up, address, route = instructions(
        JoinPair("veth7", 1007, "198.18.0.9", "198.18.0.1").encode(3)
    )
    assert (keep[0], unshare[0]) == (Op.KEEP_NETLINK, Op.UNSHARE)
    assert [part[2][0] for part in (outer, up, address, route)] == [1, 0, 0, 0], (
        "the kept socket is used once"
    )


def test_masquerading_is_one_batch_acknowledged_once():
    parts = list(messages(netlink.new_masquerade(101)))
    assert [kind for kind, _, _ in parts] == [16, 2560, 2563, 2566, 17]
    assert [bool(flags & 4) for _, flags, _ in parts] == [False, False, False, True, False]
    rule = attributes(parts[3][2][4:])
    assert (rule[1], rule[2]) == (b"tare\0", b"post\0")
    assert b"masq\0" in rule[4]
    assert struct.pack("=I", 101) in rule[4]


def test_steps_send_them_from_the_right_namespace():
    keep, unshare, pair, up, address, route = instructions(
        JoinBridge("veth0", 100, "198.18.0.2", 16, "198.18.0.1").encode(3)
    )
    assert (keep[0], unshare[0], unshare[2][0]) == (Op.KEEP_NETLINK, Op.UNSHARE, CLONE_FLAGS["net"])
    assert [part[2][0] for part in (pair, up, address, route)] == [1, 0, 0, 0]
    assert {part[1] for part in (keep, unshare, pair, up, address, route)} == {3}
    ((opcode, _, numbers, texts),) = instructions(EnterNamespace("net", "/proc/1/ns/net").encode(0))
    assert (opcode, numbers[0], texts) == (Op.ENTER, CLONE_FLAGS["net"], [b"/proc/1/ns/net\0"])
    ((_, _, numbers, _),) = instructions(Masquerade(101).encode(0))
    assert numbers[1] == netlink.NETFILTER


def test_network_steps_describe_themselves():
    for step, word in (
        (MakeBridge("tare0", 100, "198.18.0.1", 16), "make bridge tare0, 198.18.0.1/16"),
        (MakePair("up0", 101, "198.19.0.2", 30, "eth0", 2, 77), "to eth0 of process 77"),
        (Masquerade(101), "masquerade"),
        (JoinBridge("veth0", 100, "198.18.0.2", 16, "198.18.0.1"), "eth0 198.18.0.2/16"),
        (JoinPair("veth0", 1000, "198.18.0.2", "198.18.0.1"), "eth0 198.18.0.2 directly to veth0"),
        (LinkDirectly("to0", 10, "198.18.0.3", "198.18.0.2", "to1", 11, 77), "198.18.0.3 to 198.18.0.2"),
        (SetDirectAddress(11, "198.18.0.2", "198.18.0.3"), "198.18.0.2 to 198.18.0.3"),
    ):
        assert word in step.describe()
