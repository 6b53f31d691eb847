import pytest

from support.guests import guest_settings
from tare.runners.guests.kvm.baseline import decide
from tare.runners.guests.options import BadOption, check
from tare.runners.guests.qemu.accelerator import choose
from tare.runners.settings import GuestSettings


def read(**settings):
    return check(guest_settings(**settings))


def test_nothing_set_means_choose_well():
    assert read() == GuestSettings()
    assert read(kernel=None, cmdline=None, qemu=None, cpu=None, accel=None) == GuestSettings()


def test_values_are_taken(tmp_path):
    kernel = tmp_path / "vmlinux"
    kernel.touch()
    found = read(
        kernel=str(kernel), cmdline=" nokaslr a=b ", accel="kvm", cpu="host,-cx16", boot_timeout="90"
    )
    assert found == GuestSettings(
        kernel=str(kernel), cmdline="nokaslr a=b", accel="kvm", cpu="host,-cx16", boot_timeout_seconds=90.0
    )


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"kernel": "/nonexistent/vmlinux"}, ["guest.kernel", "/nonexistent/vmlinux"]),
        ({"qemu": "/nonexistent/qemu"}, ["guest.qemu", "/nonexistent/qemu"]),
        ({"cmdline": "quiet tare.root=/dev/sda"}, ["guest.cmdline", "tare.root"]),
        ({"cmdline": "one\ntwo"}, ["guest.cmdline", "one line"]),
        ({"cmdline": "unclosed='"}, ["guest.cmdline"]),
    ],
)
def test_errors_name_the_setting(settings, names):
    with pytest.raises(BadOption) as caught:
        read(**settings)
    assert all(name in str(caught.value) for name in names)


def floor(kernel_seconds=4e-10):
    steps = [{"step": step, "seconds": 1e-5} for step in ("create_vcpu", "first_exit")]
    loops = [("user", 4e-10), ("host", 4e-10), ("kernel", kernel_seconds)]
    steps += [{"step": f"{name}_arithmetic", "seconds": seconds} for name, seconds in loops]
    return decide([{"api_version": 12}, *steps, {"done": True}], nested=True, architecture="x86_64")


ABSENT = decide([{"failed": "open", "errno": "ENOENT"}], nested=False, architecture="x86_64")


@pytest.mark.parametrize(
    ("asked", "found", "expected"),
    [
        ("auto", floor(), "kvm"),
        ("auto", floor(2e-6), "tcg"),
        ("auto", ABSENT, "tcg"),
        ("kvm", floor(), "kvm"),
        ("kvm", floor(2e-6), "kvm"),
        ("kvm", ABSENT, None),
        ("tcg", floor(), "tcg"),
    ],
)
def test_accelerator(asked, found, expected):
    choice = choose(asked, found)
    assert choice.accelerator == expected
    assert choice.why
    assert "\n" not in choice.why


def test_fallback_says_why():
    assert "emulates guest kernel mode" in choose("auto", floor(2e-6)).why
    assert "no /dev/kvm" in choose("kvm", ABSENT).why
