"""The real archive of this distribution, and what comes from it run through its own loader.

Run as root and as an ordinary user by the project's checks: neither may need the other's rights.
"""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tare.runners.errors import Missing
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def provision() -> Provision:
    """As on a host without any of the tools; with the user's own cache, so that downloads are shared."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        pytest.skip("no apt-get and dpkg-deb here; this needs Debian or Ubuntu")
    made = Provision(default_cache(), use_system=False)
    try:
        made.tool("busybox")
    except Missing as error:
        pytest.skip(f"the archive is not reached: {error.reason}")
    return made


@pytest.mark.parametrize("name", ["busybox", "fio", "sysbench", "stress-ng", "mke2fs"])
def test_a_fetched_tool_runs(provision, name):
    tool = provision.tool(name)
    assert tool.origin == "fetched"
    assert tool.package
    assert str(provision.cache) in tool.argv()[0]


@pytest.mark.parametrize("name", ["fio", "sysbench"])
def test_it_maps_no_library_of_the_host(provision, name):
    tool = provision.tool(name)
    done = subprocess.run(
        [*tool.prefix, "--list", str(tool.path)], capture_output=True, text=True, check=True
    )
    paths = [line.split("=>")[1].split()[0] for line in done.stdout.splitlines() if "=>" in line]
    assert paths
    assert all(path.startswith(str(tool.root)) for path in paths)


@pytest.mark.slow
def test_qemu_finds_its_firmware_and_modules(provision):
    qemu = provision.tool("qemu-system-x86_64")
    monitor, other = socket.socketpair()
    with monitor, other:
        os.set_inheritable(other.fileno(), True)
        child = subprocess.Popen(
            qemu.argv(
                *("-M", "q35", "-accel", "tcg", "-display", "none", "-nodefaults", "-S"),
                *("-chardev", f"socket,id=m,fd={other.fileno()}", "-mon", "chardev=m,mode=control"),
            ),
            env=os.environ | dict(qemu.environ),
            pass_fds=[other.fileno()],
            stderr=subprocess.PIPE,
        )
        other.close()
        monitor.settimeout(60)
        greeting = monitor.recv(65536)
        child.kill()
        _, complaints = child.communicate()
    assert b'"QMP"' in greeting, complaints


@pytest.mark.slow
def test_the_guest_kernel_and_its_modules(provision):
    kernel = provision.guest_kernel()
    assert kernel.origin == "fetched"
    assert kernel.release in kernel.path.name
    names = [path.stem for path in kernel.modules]
    for name in ("virtio_pci", "virtio_blk", "virtio_console"):
        assert name in names or kernel.config[name.upper()] == "y"
    assert all(path.read_bytes()[:4] == b"\x7fELF" for path in kernel.modules)
    if "virtio_blk" in names and "virtio" in names:
        assert names.index("virtio") < names.index("virtio_blk")


def test_offline_finds_what_was_fetched_and_nothing_else(provision, tmp_path):
    found = provision.tool("busybox")
    assert Provision(provision.cache, offline=True, use_system=False).tool("busybox").path == found.path
    with pytest.raises(Missing, match="--offline"):
        Provision(tmp_path, offline=True, use_system=False).tool("busybox")


def test_the_hosts_own_apt_is_left_alone(provision):
    state = provision.cache / "apt-state"
    if not Path("/var/lib/apt/lists").is_dir():
        pytest.skip("this host has no apt state to compare")
    lists = {path: path.stat().st_mtime_ns for path in Path("/var/lib/apt/lists").iterdir()}
    (state / "refreshed").unlink(missing_ok=True)
    with provision.store.locked("apt-state", "index"):
        from tare.runners.provision.aptroot import _Apt  # noqa: PLC0415 - the one step that could touch it

        _Apt(state, lambda _line: None).refresh()
    assert {path: path.stat().st_mtime_ns for path in Path("/var/lib/apt/lists").iterdir()} == lists
