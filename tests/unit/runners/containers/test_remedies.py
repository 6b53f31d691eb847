"""Remedies for containers that the kernel refuses."""

import pytest

from tare.runners.containers.namespaces import remedies
from tare.runners.errors import TareError
from tare.runners.host.files import MountPoint


@pytest.mark.parametrize(
    ("points", "text", "told"),
    [
        (["/proc"], "mount recursive,private on /: Invalid argument (EINVAL)", "bind it to itself"),
        (["/", "/proc"], "mount recursive,private on /: Invalid argument (EINVAL)", "CAP_SYS_ADMIN"),
        (["/proc"], "unshare: Operation not permitted (EPERM)", "CAP_SYS_ADMIN"),
    ],
)
def test_a_chroot_whose_root_is_no_mount_point_is_told_from_missing_privileges(
    monkeypatch, points, text, told
):
    mounts = [MountPoint("/", point, "ext4", "/dev/vda", "") for point in points]
    monkeypatch.setattr(remedies, "mount_points", lambda: mounts)
    assert told in remedies.remedy(TareError(text), user=False)
