"""Find or fetch the kernel that guests boot, with its modules as plain files.

The user's choice comes first; then the host's own kernel, so that all places run the same one; then the distribution's
kernel for clouds, which is fetched.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import platform
import re
import subprocess
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import replace

from tare.results.said import say
from tare.runners.errors import Missing, TareError
from tare.runners.provision import arch
from tare.runners.provision.aptroot import Packages, fetch
from tare.runners.provision.cache import sha256_of
from tare.runners.provision.kernel_modules import depends, wanted_before

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tare.runners.provision.cache import Cache

WANTED = (
    "virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng", "virtio_balloon", "ext4",
)  # fmt: skip
"""Modules that guests may need; those that a kernel has built in have no file and are passed over."""

_NEEDED = {
    "CONFIG_VIRTIO": "ym",
    "CONFIG_VIRTIO_BLK": "ym",
    "CONFIG_EXT4_FS": "ym",
    "CONFIG_BLK_DEV_INITRD": "y",
}
"""Option that a host's kernel needs to serve as a guest's → allowed values."""

_FACTS = (
    "ACPI", "BLK_DEV_INITRD", "DEVTMPFS", "EXT4_FS", "HW_RANDOM_VIRTIO", "HYPERVISOR_GUEST", "HZ", "KVM_GUEST",
    "NR_CPUS", "OVERLAY_FS", "PCI", "PREEMPT", "PREEMPT_DYNAMIC", "PREEMPT_NONE", "PREEMPT_VOLUNTARY", "PVH",
    "SERIAL_8250_CONSOLE", "SMP", "VIRTIO_BLK", "VIRTIO_CONSOLE", "VIRTIO_MMIO", "VIRTIO_MMIO_CMDLINE_DEVICES",
    "VIRTIO_NET", "VIRTIO_PCI",
)  # fmt: skip


def _packages(source: str) -> Packages:
    """Name the packages of a kernel; the rest only makes initramfs images.

    Ubuntu has one of its own for modules, and Debian 14 three more: for the kernel, its modules and its configuration.
    """
    debian = arch.current().debian
    names = {
        "cloud": f"linux-image-cloud-{debian}|linux-image-virtual",
        "generic": f"linux-image-{debian}|linux-image-generic",
    }
    return Packages((names[source],), r"linux-(image|binary|modules|base)-\d.*")


class GuestKernel(msgspec.Struct, frozen=True):
    """A kernel file with its modules and its configuration."""

    path: Path
    release: str
    """Release as ``uname -r`` will print it; empty if unknown."""
    modules: tuple[Path, ...]
    """Plain ``NAME.ko`` files of :data:`WANTED` and of all they depend on, dependencies first."""
    config: Mapping[str, str]
    """Option without ``CONFIG_`` → ``y``, ``m``, a value, or ``n``; empty if the configuration is unknown."""
    config_sha256: str
    """Hash of the whole configuration file; empty if unknown."""
    sha256: str
    origin: Literal["given", "system", "fetched"]
    package: str = ""
    note: str = ""
    """Reason why it is not the host's own kernel, if that was considered; else empty."""

    def record(self) -> dict[str, Any]:
        """Describe the kernel for the manifest."""
        return {
            "release": self.release,
            "sha256": self.sha256,
            "origin": self.origin,
            "package": self.package,
            "config": dict(self.config),
            "config_sha256": self.config_sha256,
            "modules": {path.name: sha256_of(path) for path in self.modules},
        }


class HostKernel(msgspec.Struct, frozen=True):
    """The files of the running kernel: in ``/boot`` on most distributions, with its modules on Fedora and Arch."""

    release: str = msgspec.field(default_factory=platform.release)
    boot: Path = Path("/boot")
    modules: Path = Path("/lib/modules")
    running_config: Path = Path("/proc/config.gz")

    def files(self) -> tuple[Path, dict[str, str], Path]:
        """Find the kernel, its configuration and the folder of its modules.

        Raises:
            Missing: it cannot be a guest's kernel; the text says why.
        """
        folder = self.modules / self.release
        choices = (self.boot / f"vmlinuz-{self.release}", folder / "vmlinuz")
        path = next((choice for choice in choices if choice.exists()), None)
        if path is None:
            raise self._missing(say(
                "kernel.neither", "neither {first} nor {second} exists",
                first=choices[0], second=choices[1],
            ))  # fmt: skip
        try:
            path.open("rb").close()
        except OSError as error:
            remedy = say(
                "remedy.kernel_readable",
                "Make it readable (sudo chmod a+r {path}), or take another",
                path=path,
            )
            raise self._missing(
                say("kernel.unreadable", "{path} cannot be read ({why})", path=path, why=error.strerror),
                remedy,
            ) from error
        options = self._options(folder)
        lacking = sorted(name for name, allowed in _NEEDED.items() if options.get(name, "n") not in allowed)
        if not options:
            raise self._missing(say("kernel.no_configuration", "its configuration cannot be found"))
        if lacking:
            raise self._missing(say("kernel.lacks", "it lacks {names}", names=", ".join(lacking)))
        if not folder.is_dir() and any(options[name] == "m" for name in _NEEDED):
            raise self._missing(
                say("kernel.no_modules", "its modules are not in {folder}", folder=folder),
                say("remedy.kernel_modules", "Install them, or take another"),
            )
        return path, options, folder

    def _options(self, folder: Path) -> dict[str, str]:
        for config in (self.boot / f"config-{self.release}", folder / "config", self.running_config):
            with suppress(OSError, EOFError, zlib.error):
                return read_config(config)
        return {}

    def _missing(self, why: str, remedy: str = "") -> Missing:
        remedy = remedy or say("remedy.another_kernel", "Take another")
        return Missing(
            say("fetch.host_kernel", "The host's kernel {release} cannot be a guest's: {why}.", release=self.release, why=why),
            say("remedy.kernel_cloud", "{remedy}: --guest-kernel cloud, or a file.", remedy=remedy),
        )  # fmt: skip


def guest_kernel(
    store: Cache,
    zstd: Callable[[], tuple[str, ...]],
    *,
    given: str = "",
    modules: str = "",
    offline: bool = False,
    system: bool = True,
    host: HostKernel | None = None,
) -> GuestKernel:
    """Find or fetch a guest kernel.

    Args:
        store: cache of fetched packages and plain modules.
        zstd: gives the command that unpacks standard input; called only if a module needs it.
        given: path of the user's kernel, which then has no modules unless ``modules`` is given, too; or one of
            :data:`tare.runners.settings.KERNEL_SOURCES`.
        modules: a folder like ``/lib/modules/RELEASE``.
        offline: fetch nothing.
        system: consider the host's own kernel.
        host: where the host keeps its kernel.

    Raises:
        Missing: there is no kernel here and none can be fetched, or the given file or folder does not exist.
    """
    note = ""
    if given in {"cloud", "generic"}:
        return _fetched(store, zstd, given, offline=offline)
    if given and given != "host":
        path = Path(given)
        if not path.is_file():
            raise Missing(
                say("fetch.kernel_no_file", "The guest kernel {path} is not a file.", path=path),
                say("remedy.kernel_path", "Give TARE_GUEST_KERNEL the path of a vmlinux or bzImage."),
            )  # fmt: skip
        folder = Path(modules) if modules else None
        if folder and not folder.is_dir():
            raise Missing(
                say("fetch.no_modules_folder", "The folder of guest modules {folder} is not there.", folder=folder),
                say("remedy.modules_folder", "Give one like /lib/modules/RELEASE."),
            )  # fmt: skip
        release = path.name.removeprefix("vmlinuz-") if path.name.startswith("vmlinuz-") else ""
        return _described(store, zstd, path, release, folder, "given")
    if system or given:
        own = host or HostKernel()
        try:
            path, _, folder = own.files()
        except Missing as missing:
            if given:
                raise
            note = missing.reason
        else:
            return _described(store, zstd, path, own.release, folder if folder.is_dir() else None, "system")
    return replace(_fetched(store, zstd, "cloud", offline=offline), note=note)


def _fetched(store: Cache, zstd: Callable[[], tuple[str, ...]], source: str, *, offline: bool) -> GuestKernel:
    entry = fetch(_packages(source), store, offline=offline)
    # In /boot, or from Debian 14 on with its modules.
    found = sorted(entry.path.glob("boot/vmlinuz-*")) or sorted(entry.path.glob("usr/lib/modules/*/vmlinuz"))
    if not found:
        raise Missing(
            say("fetch.no_kernel", "No kernel is in the packages {names}.", names=", ".join(entry.facts["packages"])),
            say("remedy.give_kernel", "Give one: TARE_GUEST_KERNEL=/path/to/vmlinuz"),
        )  # fmt: skip
    path = found[-1]
    release = path.parent.name if path.name == "vmlinuz" else path.name.removeprefix("vmlinuz-")
    package = " ".join(f"{name} {version}" for name, version in entry.facts["packages"].items())
    return _described(
        store, zstd, path, release, entry.path / "usr/lib/modules" / release, "fetched", package
    )


def read_config(path: Path) -> dict[str, str]:
    """Read a kernel's configuration, compressed or not: ``CONFIG_X`` → value."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("utf-8", "replace")
    return {
        match[1]: match[2].strip('"') for match in re.finditer(r"^(CONFIG_\w+)=(.*)$", text, re.MULTILINE)
    }


def _described(
    store: Cache,
    zstd: Callable[[], tuple[str, ...]],
    path: Path,
    release: str,
    folder: Path | None,
    origin: Literal["given", "system", "fetched"],
    package: str = "",
) -> GuestKernel:
    config = path.parent / path.name.replace("vmlinuz", "config", 1)
    options, config_sha256 = {}, ""
    if config != path and config.is_file():
        known = read_config(config)
        options = {name: known.get(f"CONFIG_{name}", "n") for name in _FACTS}
        config_sha256 = sha256_of(config)
    modules = plain_modules(store, folder, WANTED, zstd) if folder else ()
    return GuestKernel(path, release, modules, options, config_sha256, sha256_of(path), origin, package)


def plain_modules(
    store: Cache, folder: Path, wanted: Iterable[str], zstd: Callable[[], tuple[str, ...]]
) -> tuple[Path, ...]:
    """Unpack the wanted modules of ``folder`` and all they depend on; list them, dependencies first.

    ``finit_module`` takes plain files. Dependencies are read from the modules themselves: ``modules.dep`` is made by an
    install script, which was not run.

    Raises:
        TareError: a module cannot be unpacked.
    """
    files = {_name(path): path for path in sorted(folder.rglob("*.ko*")) if _name(path)}
    asked = sorted(name for name in wanted if name in files)
    state = [(name, files[name].stat().st_size, files[name].stat().st_mtime_ns) for name in asked]
    key = hashlib.sha256(
        repr((str(folder.resolve()), state, "and what they want before")).encode()
    ).hexdigest()

    def build(content: Path) -> dict[str, list[str]]:
        order: dict[str, None] = {}

        def visit(name: str) -> None:
            target = content / f"{name}.ko"
            if target.exists() or name not in files:
                return
            target.write_bytes(_plain(files[name], zstd))
            for needed in (*depends(target), *wanted_before(target)):
                visit(needed)
            order[name] = None

        for name in wanted:
            visit(name)
        return {"order": list(order)}

    entry = store.entry("modules", key, build)
    return tuple(entry.path / f"{name}.ko" for name in entry.facts["order"])


def _name(path: Path) -> str:
    match = re.fullmatch(r"(.+)\.ko(\.(gz|xz|zst))?", path.name)
    return match[1].replace("-", "_") if match else ""


def _plain(path: Path, zstd: Callable[[], tuple[str, ...]]) -> bytes:
    data = path.read_bytes()
    try:
        if data.startswith(b"\x1f\x8b"):
            return gzip.decompress(data)
        if data.startswith(b"\xfd7zXZ\0"):
            return lzma.decompress(data)
        if data.startswith(b"\x28\xb5\x2f\xfd"):
            done = subprocess.run(zstd(), input=data, capture_output=True, check=True)
            return done.stdout
    except (OSError, EOFError, lzma.LZMAError, subprocess.CalledProcessError) as error:
        raise TareError(say(
            "fetch.module", "The guest module {path} cannot be unpacked: {error}. Give another kernel: TARE_GUEST_KERNEL.",
            path=path, error=error,
        )) from error  # fmt: skip
    return data
