"""List the programs that can be provisioned: the packages that bring them, and what is special about each."""

from __future__ import annotations

import msgspec

from tare.runners.provision import arch


class Recipe(msgspec.Struct, frozen=True):
    """Say where a program comes from, and how it is tried and run."""

    packages: tuple[str, ...]
    """Packages to fetch into one root; tools with the same packages share it."""
    ask: tuple[str, ...] = ("--version",)
    where: str = "usr/bin"
    """Folder below the root; may have wildcards, for names with a version in them."""
    static: bool = False
    fetched_only: bool = False
    """Never take the system's: its other files, which the image needs as well, may be anywhere."""
    own_home: bool = False
    """Try it with a home of its own: it leaves files wherever it is called."""
    status: int = 0
    """Exit status of a working tool that was asked so."""
    starts_itself: bool = False
    """The tool executes ``/proc/self/exe``, which would be the loader. So the host's loader runs it, and it gets from
    the fetched root only the libraries that the host lacks."""


_DOCKER = ("docker.io", "iptables", "iproute2", "apparmor")
"""Packages of Docker's daemon; containerd and runc are in their closure."""
_PODMAN = (
    "podman",
    "crun",
    "runc",
    "netavark|containernetworking-plugins",
    "slirp4netns",
    "iptables",
    "iproute2",
)
_CONTAINERD = ("containerd", "runc", "containernetworking-plugins", "iproute2")
_REDIS = ("redis-server", "redis-tools")
_WORKLOADS = ("sysbench", "stress-ng")

RECIPES = {
    "fio": Recipe(("fio",)),
    "sysbench": Recipe(_WORKLOADS),
    "stress-ng": Recipe(_WORKLOADS),
    "busybox": Recipe(("busybox-static",), ("true",), static=True),
    "mke2fs": Recipe(("e2fsprogs",), ("-V",), "usr/sbin"),
    "zstd": Recipe(("zstd",)),
    "skopeo": Recipe(("skopeo",)),
    "openssl": Recipe(("openssl",), ("version",)),
    "7zz": Recipe(("7zip-standalone|7zip",), ("i",)),
    "hackbench": Recipe(("rt-tests",), ("--help",)),
    "cyclictest": Recipe(("rt-tests",), ("--help",)),
    # The compiler proper, without preprocessor, assembler and linker of their own. It is in nobody's PATH.
    "cc1": Recipe(("cpp",), where="usr/lib*/gcc/*/*"),
    "docker": Recipe(_DOCKER),
    "podman": Recipe(_PODMAN, own_home=True),
    "dockerd": Recipe(_DOCKER, where="usr/sbin"),
    "containerd": Recipe(_CONTAINERD),
    "ctr": Recipe(_CONTAINERD),
    "etcd": Recipe(("etcd-server",)),
    "kubectl": Recipe(("kubernetes-client",), ("version", "--client")),
    "postgres": Recipe(("postgresql",), where="usr/lib/postgresql/*/bin", fetched_only=True),
    "psql": Recipe(("postgresql",), where="usr/lib/postgresql/*/bin", fetched_only=True),
    "pgbench": Recipe(("postgresql",), where="usr/lib/postgresql/*/bin", fetched_only=True),
    "redis-server": Recipe(_REDIS),
    "redis-benchmark": Recipe(_REDIS),
    "memcached": Recipe(("memcached",)),
    "nginx": Recipe(("nginx",), ("-v",), "usr/sbin"),
    "wrk": Recipe(("wrk",), ("-v",), status=1),
    "initdb": Recipe(("postgresql",), where="usr/lib/postgresql/*/bin", fetched_only=True),
    "qemu-img": Recipe(("qemu-utils",)),
    "passt": Recipe(("passt",), starts_itself=True),
    "grub-mkimage": Recipe(("grub-common", "grub-pc-bin")),
    "runc": Recipe(("runc",), where="usr/sbin", starts_itself=True),
    "crun": Recipe(("crun",), starts_itself=True),
    "youki": Recipe(()),
    "kata-runtime": Recipe(()),
    "runsc": Recipe(("runsc",), static=True),
    "bwrap": Recipe(("bubblewrap",)),
    "systemd-nspawn": Recipe(("systemd-container",)),
    "lxc-execute": Recipe(("lxc",)),
    "hyperfine": Recipe(("hyperfine",)),
    "valgrind": Recipe(("valgrind",)),
    # Debian's `valgrind` is a script that executes this.
    "valgrind.bin": Recipe(("valgrind",), starts_itself=True),
    arch.X86_64.qemu: Recipe(arch.X86_64.qemu_packages),
    arch.AARCH64.qemu: Recipe(arch.AARCH64.qemu_packages),
}
"""Name of a program → its recipe."""
