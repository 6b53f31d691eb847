"""Encode the few netlink requests that places need.

The launcher sends them (``OP_NETLINK``): joining a network is part of a place's measured launch, so no interpreter,
library or ``ip`` command may run in that time. Numbers are from the uapi headers ``linux/rtnetlink.h``,
``linux/if_link.h``, ``linux/veth.h`` and ``linux/netfilter/nf_tables.h``. Each request is a complete message, or a
batch, that asks for one acknowledgement.
"""

from __future__ import annotations

import ipaddress
import struct

ROUTE, NETFILTER = 0, 12
"""Netlink protocols: ``NETLINK_ROUTE`` and ``NETLINK_NETFILTER``."""

_FLAGS_AT = 6
"""Offset of a message's flags (``struct nlmsghdr``)."""
_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _CREATE, _APPEND = 1, 4, 0x200, 0x400, 0x800
_NEW_LINK, _SET_LINK, _NEW_ADDRESS, _NEW_ROUTE = 16, 19, 20, 24
_HARDWARE_ADDRESS, _NAME, _MASTER, _LINK_INFO, _NAMESPACE_BY_PID = 1, 3, 10, 18, 19
_KIND, _DATA, _PEER = 1, 2, 1
_UP = 1
_IPV4 = 2
_NESTED = 0x8000


def new_bridge(name: str, index: int, hardware_address: bytes) -> bytes:
    """Encode a request for a bridge that is up; the caller chooses its ``index``, for use in later requests.

    A bridge without an address of its own has the lowest of its ports, and another when that port goes: who has just
    asked for it then sends to nobody, for up to a minute.
    """
    own = _text(_NAME, name) + _attribute(_HARDWARE_ADDRESS, hardware_address)
    return _message(_NEW_LINK, _link(index) + own + _nested(_LINK_INFO, _text(_KIND, "bridge")))


def new_pair(
    name: str, index: int, peer: str, peer_index: int, peer_pid: int, *, bridge: int | None = None
) -> bytes:
    """Encode a request for a pair of virtual Ethernet interfaces; this end is up, :func:`link_up` raises the other.

    Args:
        name: name of the end in the socket's own net namespace, on ``bridge`` if that is given.
        index: index of that end; 0: the kernel chooses.
        peer: name of the other end, in the net namespace of the process ``peer_pid``.
        peer_index: index of the other end.
        peer_pid: pid in the pid namespace of the process that sends the request.
        bridge: index of the bridge; ``None``: no bridge.
    """
    # The kernel configures the peer before the two are tied together, and a pair with one end cannot be up.
    other = _link(peer_index, up=False) + _text(_NAME, peer) + _number(_NAMESPACE_BY_PID, peer_pid)
    info = _text(_KIND, "veth") + _nested(_DATA, _attribute(_PEER | _NESTED, other))
    master = b"" if bridge is None else _number(_MASTER, bridge)
    return _message(_NEW_LINK, _link(index) + _text(_NAME, name) + master + _nested(_LINK_INFO, info))


def link_up(index: int) -> bytes:
    """Encode a request to bring an interface up."""
    return _message(_SET_LINK, _link(index), flags=_REQUEST | _ACKNOWLEDGE)


def batch(*messages: bytes) -> bytes:
    """Join requests into one that is acknowledged once: at its end, or by the first that the kernel refuses."""
    joined = [bytearray(message) for message in messages]
    for message in joined[:-1]:
        (flags,) = struct.unpack_from("=H", message, _FLAGS_AT)
        struct.pack_into("=H", message, _FLAGS_AT, flags & ~_ACKNOWLEDGE)
    return b"".join(joined)


def new_address(index: int, address: str, prefix: int, *, peer: str = "") -> bytes:
    """Encode a request to give an interface an IPv4 address, and with it a route.

    Args:
        index: index of the interface.
        address: the address.
        prefix: length of the prefix of the network that is reached by the interface.
        peer: an address in that network where it is not the interface's own, as on a point-to-point link; empty: the own.
    """
    local = ipaddress.IPv4Address(address).packed
    there = ipaddress.IPv4Address(peer or address).packed
    head = struct.pack("=4BI", _IPV4, prefix, 0, 0, index)
    return _message(_NEW_ADDRESS, head + _attribute(2, local) + _attribute(1, there))


def new_default_route(index: int, gateway: str) -> bytes:
    """Encode a request for the default route."""
    main_table, by_boot, universe, unicast = 254, 3, 0, 1
    head = struct.pack("=8BI", _IPV4, 0, 0, 0, main_table, by_boot, universe, unicast, 0)
    return _message(
        _NEW_ROUTE, head + _attribute(5, ipaddress.IPv4Address(gateway).packed) + _number(4, index)
    )


def new_masquerade(index: int) -> bytes:
    """Encode a batch for nf_tables: packets that leave by this interface get its address.

    Container engines do the same for their bridges:

    ``nft add table ip tare; add chain ip tare post { type nat hook postrouting priority 100; };
    add rule ip tare post meta oif INDEX masquerade``
    """
    new_table, new_chain, new_rule, begin, end = 10 << 8, 10 << 8 | 3, 10 << 8 | 6, 16, 17
    table, chain = "tare", "post"
    hook = _big(1, 4) + _big(2, 100)
    equal = _nested(3, _attribute(1, struct.pack("=I", index)))
    expressions = (
        _expression("meta", _big(2, 5) + _big(1, 1)),  # the interface's index goes to register 1
        _expression("cmp", _big(1, 1) + _big(2, 0) + equal),
        _expression("masq", b""),
    )
    parts = [
        _message(begin, _netfilter(0, 10), flags=_REQUEST),
        _message(new_table, _netfilter() + _text(1, table), flags=_REQUEST | _CREATE),
        _message(
            new_chain,
            _netfilter() + _text(1, table) + _text(3, chain) + _nested(4, hook) + _text(7, "nat"),
            flags=_REQUEST | _CREATE,
        ),
        _message(
            new_rule,
            _netfilter() + _text(1, table) + _text(2, chain) + _nested(4, b"".join(expressions)),
            flags=_REQUEST | _CREATE | _APPEND | _ACKNOWLEDGE,
        ),
        _message(end, _netfilter(0, 10), flags=_REQUEST),
    ]
    return b"".join(parts)


def _message(kind: int, body: bytes, *, flags: int = _REQUEST | _ACKNOWLEDGE | _CREATE | _EXCLUSIVE) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


def _link(index: int, *, up: bool = True) -> bytes:
    """``struct ifinfomsg``."""
    return struct.pack("=BBHiII", 0, 0, 0, index, _UP * up, _UP)


def _netfilter(family: int = _IPV4, resource: int = 0) -> bytes:
    """``struct nfgenmsg``."""
    return struct.pack("=BB", family, 0) + struct.pack(">H", resource)


def _expression(name: str, data: bytes) -> bytes:
    return _nested(1, _text(1, name) + _nested(2, data))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _nested(kind: int, value: bytes) -> bytes:
    return _attribute(kind | _NESTED, value)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode("ascii") + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _big(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack(">I", value))
