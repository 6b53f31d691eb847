"""The micro guest on this host, whatever it has."""

import os

import pytest

from tare.runners.guests.kvm import baseline

pytestmark = pytest.mark.integration


def test_measures_or_explains():
    found = baseline.measure()
    assert found.reason
    assert found.usable or found.remedy
    if not os.access(baseline.DEVICE, os.R_OK | os.W_OK):
        assert not found.usable
        return
    assert found.present
    for step in ("open", "create_vm", "memory_slot", "create_vcpu"):
        assert found.figures[f"{step}_seconds"] > 0


def test_every_figure_is_taken_where_kvm_runs_guests():
    found = baseline.measure()
    if found.figures["first_exit_seconds"] is None:
        pytest.skip(found.reason)
    assert not found.oddities
    if found.architecture == "x86_64":
        assert all(seconds > 0 for seconds in found.figures.values())


def test_a_device_that_is_not_kvm_is_told():
    found = baseline.measure(device="/dev/null")
    assert not found.usable
    assert "ENOTTY" in found.reason


def test_no_device_is_told():
    found = baseline.measure(device="/nonexistent/kvm")
    assert not found.present
    assert "modprobe" in found.remedy


def test_unreadable_device_is_told(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may open everything; runs as an ordinary user")
    device = tmp_path / "kvm"
    device.touch(mode=0)
    assert "usermod" in baseline.measure(device=str(device)).remedy
