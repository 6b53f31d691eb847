"""The runners ``qemu-microvm`` and ``qemu-q35``: direct kernel boot, the agent as ``/init``."""

from __future__ import annotations

import itertools
import platform
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runners.host.cgroups import Cgroups
from runners.images.ext4 import build_ext4, empty_ext4
from runners.images.initramfs import build_initramfs
from runners.kvm.floor import probe_kvm
from runners.model import Probe, TareError
from runners.place import file_system
from runners.provision.cache import Cache
from runners.provision.missing import Missing
from runners.qemu import kernel as kernels
from runners.qemu.accelerator import choose
from runners.qemu.machine import PROFILES, Machine, Profile, kernel_cmdline, machine_type, wire
from runners.qemu.modules import by_name, ordered
from runners.qemu.options import DISK_CACHE, GuestOptions
from runners.qemu.place import GuestPlace, GuestPlan
from runners.qemu.tsc import host_trusts_it, tsc_khz

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from results.record import Accelerator
    from runners.images.image import Image
    from runners.kvm.floor import KvmFloor
    from runners.model import Job, Limits, RunContext
    from runners.provision.tools import Provision, Tool

QEMU = "qemu-system-x86_64"

OVERHEAD_BYTES = {"kvm": 256 << 20, "tcg": 1280 << 20}
"""What QEMU may use beside the guest's memory before its cgroup ends it. TCG keeps up to 1 GiB of translated code."""
QEMU_PIDS = 1024
"""QEMU's threads: vCPUs and up to 64 workers for each disk. A limit on its processes says nothing about the guest's."""

BOOT_SECONDS = {"kvm": 30.0, "tcg": 60.0, "emulated": 180.0}
"""From launch to the agent's first word; ``emulated``: under a KVM that emulates kernel mode."""
LEAVE_SECONDS = {"kvm": 10.0, "tcg": 10.0, "emulated": 60.0}


@dataclass(frozen=True, slots=True)
class _Prepared:
    machine: Machine
    qemu: Tool
    limits: Limits
    facts: Mapping[str, object]


class QemuRunner:
    """See :class:`runners.model.Runner`."""

    def __init__(
        self,
        context: RunContext,
        provision: Provision,
        settings: Mapping[str, object],
        *,
        profile: str = "microvm",
    ) -> None:
        """``settings``: see :meth:`GuestOptions.from_settings`.

        Raises:
            BadOption: one cannot be used.
        """
        if profile not in PROFILES:
            raise TareError(f"there is no guest profile {profile!r}; there are {', '.join(PROFILES)}")
        self._profile: Profile = profile
        self.name = f"qemu-{profile}"
        self.accelerator: Accelerator = "none"
        """Valid after :meth:`probe`."""
        self._context, self._provision = context, provision
        self._options = GuestOptions.from_settings(settings)
        self._cgroups = Cgroups.detect()
        self._numbers = itertools.count()
        self._floor: KvmFloor | None = None
        self._prepared: _Prepared | None = None

    @property
    def label(self) -> str:
        """See :class:`runners.model.Runner`."""
        return f"{self.name}(tcg)" if self.accelerator == "tcg" else self.name

    def probe(self) -> Probe:
        """See :class:`runners.model.Runner`. Nothing is fetched here."""
        machine = platform.machine()
        if machine not in {"x86_64", "AMD64"}:
            return Probe(
                ok=False,
                reason=f"{self.name} is a machine type of x86-64, and this host is {machine}",
                remedy="there is no guest runner for this architecture yet",
            )
        floor = self._floor = probe_kvm()
        choice = choose(self._options.accel, floor)
        facts: dict[str, object] = {
            "accelerator_why": choice.why,
            "machine": self._profile,
            "kvm": floor.as_json(),
        }
        if choice.accelerator is None:
            return Probe(ok=False, reason=choice.why, remedy=choice.remedy, facts=facts)
        self.accelerator = "kvm" if choice.accelerator == "kvm" else "tcg"
        facts["accelerator"] = self.accelerator
        given = str(self._options.qemu or "")
        found = self._provision.here(QEMU, given)
        if found is None and (given or self._provision.offline):
            try:
                self._provision.tool(QEMU, given)
            except Missing as missing:
                return Probe(ok=False, reason=missing.reason, remedy=missing.remedy, facts=facts)
        facts["qemu"] = found.version if found else "not here yet; is fetched before the run"
        return Probe(ok=True, facts=facts)

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`runners.model.Runner`."""
        if self.accelerator == "none":
            raise TareError(f"{self.name} was prepared before it was probed")
        options, store = self._options, Cache(self._context.cache, self._provision.progress)
        qemu = self._provision.tool(QEMU, str(options.qemu or ""))
        given = self._provision.guest_kernel(str(options.kernel or ""))
        kernel = kernels.load(given.path, store)
        files = by_name(given.modules)
        wiring = wire(self._profile, kernel.features, files)
        modules = ordered(wiring.modules, files, kernel.features)
        initramfs = self._initramfs(store, image, modules, with_tree=not wiring.disk)
        root = self._root(store, image) if wiring.disk else None
        machine = Machine(
            profile=self._profile,
            accelerator="kvm" if self.accelerator == "kvm" else "tcg",
            cpu=options.cpu or ("host" if self.accelerator == "kvm" else "max"),
            cpus=limits.cpus,
            memory_bytes=limits.memory_bytes,
            kernel=kernel.path,
            initramfs=initramfs,
            wiring=wiring,
            root=root,
            scratch=self._scratch(limits) if wiring.disk else None,
            cmdline=options.cmdline,
            console=options.console,
            tsc_khz=tsc_khz() if self.accelerator == "tcg" else None,
            tsc_reliable=host_trusts_it(),
        )
        facts = self._facts(machine, kernel, qemu) | {"kernel_origin": given.origin}
        self._prepared = _Prepared(machine, qemu, limits, facts)

    def open(self, first: Job | None = None) -> GuestPlace:
        """See :class:`runners.model.Runner`."""
        if self._prepared is None or self._floor is None:
            raise TareError(f"{self.name} was opened before it was prepared")
        ready = self._prepared
        number = next(self._numbers)
        kind = "emulated" if self.accelerator == "kvm" and not self._floor.usable else self.accelerator
        plan = GuestPlan(
            context=self._context,
            name=f"{self.name}-{number}",
            number=number,
            qemu=ready.qemu,
            machine=ready.machine,
            limits=replace(
                ready.limits,
                memory_bytes=ready.limits.memory_bytes + OVERHEAD_BYTES[self.accelerator],
                pids=max(ready.limits.pids, QEMU_PIDS),
            ),
            cgroups=self._cgroups,
            boot_seconds=self._options.boot_timeout_seconds or BOOT_SECONDS[kind],
            leave_seconds=LEAVE_SECONDS[kind],
            facts=ready.facts,
        )
        return GuestPlace(plan, first)

    def close(self) -> None:
        """See :class:`runners.model.Runner`."""
        self._prepared = None
        self._cgroups.remove_run(self._context.run)

    def _initramfs(self, store: Cache, image: Image, modules: tuple[Path, ...], *, with_tree: bool) -> Path:
        tree = image.tree if with_tree else None
        agent = image.agent.read_bytes()

        def build(content: Path) -> dict[str, object]:
            build_initramfs(content / "initramfs", image.agent, modules, tree)
            return {"modules": [module.name for module in modules]}

        key = ("initramfs", agent.hex(), [str(module) for module in modules], image.key if with_tree else "")
        return store.entry("initramfs", repr(key), build).path / "initramfs"

    def _root(self, store: Cache, image: Image) -> Path:
        mke2fs = self._provision.tool("mke2fs")

        def build(content: Path) -> dict[str, object]:
            build_ext4(image.tree, content / "root.ext4", mke2fs)
            return {"image": image.key, "mke2fs": mke2fs.version}

        return store.entry("guest-root", f"{image.key} {mke2fs.version}", build).path / "root.ext4"

    def _scratch(self, limits: Limits) -> Path:
        """A template for the scratch disks of all places, in the run's own folder."""
        template = self._context.workdir / f"scratch-{limits.scratch_bytes}.ext4"
        if not template.exists():
            empty_ext4(template, limits.scratch_bytes, self._provision.tool("mke2fs"))
        return template

    def _facts(self, machine: Machine, kernel: kernels.Kernel, qemu: Tool) -> dict[str, object]:
        """For the context: what guests of this runner are."""
        disk = f"ext4 on virtio-blk (cache={DISK_CACHE}) on {file_system(self._context.workdir)}"
        return {
            "accelerator": machine.accelerator,
            "machine": machine_type(machine),
            "cpu_model": machine.cpu,
            "cpus": machine.cpus,
            "memory_bytes": machine.memory_bytes,
            "memory_limit_by": "guest memory",
            "pids_limit_by": "none",
            "kernel": kernel.release,
            "kernel_sha256": kernel.sha256,
            "kernel_form": kernel.form,
            "kernel_cmdline": re.sub(r"(tsc_early_khz)=\d+", r"\1=N", kernel_cmdline(machine, "RUN")),
            "console": machine.console,
            "channel": "virtio-serial" if machine.wiring.virtio_channel else "serial port",
            "disk_cache": DISK_CACHE if machine.wiring.disk else "none",
            "root": "ext4 image, read-only" if machine.wiring.disk else "initramfs",
            "scratch_file_system": disk if machine.wiring.disk else "memory (initramfs)",
            "network": "none",
            "kernel_mark": "zero of the guest's clock; late by timer ticks lost in early boot",
            "qemu": qemu.version,
            "limitations": list(machine.wiring.notes),
        }
