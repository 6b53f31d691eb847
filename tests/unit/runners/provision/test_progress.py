"""Lines on fetching count packages in words."""

from tare.runners.provision.progress import fetching


def test_packages_are_counted_in_words():
    assert fetching(["busybox"], 1, 1_200_000) == "fetching busybox: 1 package, 1 MB"
    assert fetching(["fio", "qemu"], 20, 39_000_000) == "fetching fio qemu: 20 packages, 39 MB"
