import struct

import pytest

from tare.runners.errors import TareError
from tare.runners.guests.qemu.firmware import FIRST_SECTOR, assemble, script


def test_one_active_partition_behind_the_second_stage():
    head = assemble(b"\xeb" * 512, b"core", 10 << 20)
    assert len(head) == FIRST_SECTOR * 512
    assert head[:446] == b"\xeb" * 446
    assert head[510:516] == b"\x55\xaacore"
    active, kind = head[446], head[450]
    assert (active, kind) == (0x80, 0x83)
    assert struct.unpack_from("<II", head, 454) == (FIRST_SECTOR, (10 << 20) // 512)


def test_a_second_stage_that_does_not_fit_is_refused():
    with pytest.raises(TareError, match="second stage"):
        assemble(bytes(512), bytes(FIRST_SECTOR * 512), 1 << 20)


def test_the_kernels_arguments_reach_it_as_they_are():
    assert script("quiet a=b").splitlines() == [
        "linux (hd0,msdos1)/vmlinuz quiet a=b",
        "initrd (hd0,msdos1)/initramfs",
        "boot",
    ]
    assert "vmlinuz 'a=$x;y' b\n" in script("a=$x;y b")


@pytest.mark.parametrize("cmdline", ["a='b'", "it's"])
def test_what_grub_cannot_be_told_is_refused(cmdline):
    with pytest.raises(TareError, match="quote"):
        script(cmdline)
