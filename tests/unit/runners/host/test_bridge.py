import ipaddress

import pytest

from tare.runners.errors import TareError
from tare.runners.guests.qemu.network import Network
from tare.runners.host.bridge import check_taps
from tare.runners.host.links import used_networks

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000C80A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


def test_networks_in_use_are_read_without_the_default_route():
    assert list(used_networks(ROUTES)) == [ipaddress.IPv4Network("10.200.0.0/16")]


def test_without_the_device_there_are_no_taps(tmp_path):
    with pytest.raises(TareError, match="There is no"):
        check_taps(tmp_path / "tun")


def test_the_address_is_in_the_cards_own():
    assert Network("10.192.7.255", "10.192.7.1", "tap").mac == "52:54:0a:c0:07:ff"
