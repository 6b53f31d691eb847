"""Run QEMU guests: the runners ``qemu-PROFILE[:VARIANT]``. The agent is the guest's ``/init``."""

from __future__ import annotations

import itertools
import os
import platform
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import structs

from tare.results.environment import GuestFacts
from tare.results.said import say
from tare.runners.errors import Missing, PlaceFailure, TareError, not_prepared, not_probed
from tare.runners.guests import kernel as kernels
from tare.runners.guests.clock import KERNEL_MARK
from tare.runners.guests.files import initramfs, root_disk, scratch_template
from tare.runners.guests.kvm.baseline import probe_kvm
from tare.runners.guests.options import check
from tare.runners.guests.place import COPIES, LIMITED_BY, scratch_disk
from tare.runners.guests.qemu.accelerator import choose
from tare.runners.guests.qemu.arguments import Instance, Memory
from tare.runners.guests.qemu.firmware import build_boot_disk
from tare.runners.guests.qemu.hugepages import check_free
from tare.runners.guests.qemu.machine import Machine, kernel_cmdline, machine_type
from tare.runners.guests.qemu.network import Networks
from tare.runners.guests.qemu.place import QemuPlace, QemuPlan
from tare.runners.guests.qemu.profiles import PREFIX, PROFILES
from tare.runners.guests.qemu.snapshot import Snapshot, save
from tare.runners.guests.qemu.tsc import host_trusts_it, tsc_khz
from tare.runners.guests.qemu.variants import parse_for
from tare.runners.guests.wiring import wire
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.files import file_system
from tare.runners.model import Probe
from tare.runners.provision.arch import X86_64
from tare.runners.provision.cache import Cache
from tare.runners.provision.kernel_modules import by_name, ordered
from tare.runners.provision.tools import NOT_HERE_YET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tare.results.environment import KvmBaseline
    from tare.results.record import Accelerator
    from tare.runners.context import RunContext, Supplies
    from tare.runners.images.image import Image
    from tare.runners.model import Job, Limits
    from tare.runners.provision.kernel import GuestKernel
    from tare.runners.provision.tools import Provision, Tool
    from tare.runners.settings import GuestSettings

OVERHEAD_BYTES = {"kvm": 256 << 20, "tcg": 1280 << 20}
"""Memory that QEMU may use besides the guest's before its cgroup ends it. TCG keeps up to 1 GiB of translated code."""
QEMU_PIDS = 1024
"""Most threads of QEMU: vCPUs and up to 64 workers per disk. It does not limit the guest's processes."""

BOOT_SECONDS = {"kvm": 30.0, "tcg": 60.0, "emulated": 180.0}
"""Time limit from the launch to the agent's first message. ``emulated``: under a KVM that emulates kernel mode."""
LEAVE_SECONDS = {"kvm": 10.0, "tcg": 10.0, "emulated": 60.0}
"""Time limit from the agent's leave to QEMU's end."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    machine: Machine
    qemu: Tool
    limits: Limits
    facts: Mapping[str, object]
    snapshot: Snapshot | None = None


class QemuRunner:
    """See :class:`tare.runners.context.Runner`."""

    def __init__(
        self,
        context: RunContext,
        provision: Provision,
        settings: GuestSettings,
        *,
        name: str = "qemu-microvm",
    ) -> None:
        """Make it; nothing is started yet.

        Raises:
            BadOption: one cannot be used.
            BadVariant: the name's variant is none.
        """
        kind, _, variant = name.partition(":")
        profile = PROFILES.get(kind.removeprefix(PREFIX))
        if profile is None:
            raise TareError(say(
                "guest.no_profile", "there is no guest profile {name!r}; there are {profiles}",
                name=kind, profiles=", ".join(PROFILES),
            ))  # fmt: skip
        self._profile, self._variant = profile, parse_for(profile, variant)
        self.name = ":".join(filter(None, (f"{PREFIX}{profile.name}", self._variant.name)))
        self.accelerator: Accelerator = "none"
        """Valid after :meth:`probe`."""
        self._context, self._provision = context, provision
        self._options = check(settings)
        self._cgroups = Cgroups.detect()
        self._file_name = re.sub(r"[^A-Za-z0-9_.-]", "_", self.name)
        """Name of the runner as folders, cgroups and namespaces may have it."""
        self._networks = Networks(self._variant.net, context.run, self._file_name)
        self._numbers = itertools.count()
        self._baseline: KvmBaseline | None = None
        self._prepared: _Prepared | None = None

    @property
    def label(self) -> str:
        """See :class:`tare.runners.context.Runner`."""
        return f"{self.name}(tcg)" if self.accelerator == "tcg" else self.name

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`. Nothing is fetched here."""
        machine = platform.machine()
        if machine != X86_64.machine:
            return Probe(
                ok=False,
                reason=say(
                    "guest.machine_type",
                    "{name} is a machine type of x86-64, and this host is {machine}",
                    name=self.name,
                    machine=machine,
                ),
                remedy=say("remedy.no_guest_runner", "there is no guest runner for this architecture yet"),
            )
        baseline = self._baseline = probe_kvm()
        choice = choose(self._options.accel, baseline)
        facts = GuestFacts(accelerator_why=choice.why, machine=self._profile.board)
        if choice.accelerator is None:
            return Probe(ok=False, reason=choice.why, remedy=choice.remedy, kvm=baseline, facts=facts)
        self.accelerator = "kvm" if choice.accelerator == "kvm" else "tcg"
        facts = structs.replace(facts, accelerator=self.accelerator)
        try:
            self._check_variant()
            self._networks.check()
            given = str(self._options.qemu or "")
            found = self._provision.here(X86_64.qemu, given)
            if found is None and (given or self._provision.offline):
                self._provision.tool(X86_64.qemu, given)
        except Missing as missing:
            return Probe(ok=False, reason=missing.reason, remedy=missing.remedy, kvm=baseline, facts=facts)
        facts = structs.replace(facts, qemu=found.version if found else NOT_HERE_YET)
        return Probe(ok=True, kvm=baseline, facts=facts)

    def fetches(self) -> tuple[Callable[[], object], ...]:
        """See :class:`tare.runners.context.Fetching`."""
        return self._fetch_qemu, self._fetch_kernel

    def _fetch_qemu(self) -> Tool:
        return self._provision.tool(X86_64.qemu, str(self._options.qemu or ""))

    def _fetch_kernel(self) -> GuestKernel:
        return self._provision.guest_kernel(self._options.kernel, str(self._options.modules or ""))

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`."""
        if self.accelerator == "none":
            raise not_probed(self.name)
        if self._variant.hugetlb:
            check_free(limits.memory_bytes)
        store = Cache(self._context.cache, self._provision.progress)
        qemu, given = self._fetch_qemu(), self._fetch_kernel()
        kernel = kernels.load(given.path, store)
        machine = self._machine(store, image, limits, given, kernel)
        machine = replace(machine, boot=self._boot_disk(machine))
        facts = self._facts(machine, given, kernel, qemu)
        self._networks.prepare(self._provision)
        self._prepared = _Prepared(machine, qemu, limits, facts)
        if self._profile.start == "restored":
            self._prepared = replace(self._prepared, snapshot=self._save())

    def open(self, first: Job | None = None) -> QemuPlace:
        """See :class:`tare.runners.context.Runner`."""
        ready = self._ready()
        if self._variant.hugetlb:
            try:
                check_free(ready.limits.memory_bytes)
            except Missing as missing:
                raise PlaceFailure(missing.reason, remedy=missing.remedy) from missing
        with self._networks.attach() as network:
            instance = Instance(self._context.run, next(self._numbers), network)
            plan = self._plan(ready, instance)
            if ready.snapshot is not None:
                plan = ready.snapshot.plan(plan)
            return QemuPlace(plan, first)

    def boot_files(self) -> dict[str, Path]:
        """List the files that guests of the prepared runner start from: ``root`` (if a disk), kernel, initramfs."""
        machine = self._ready().machine
        root = {"root": machine.root} if machine.root else {}
        return {**root, "kernel": machine.kernel, "initramfs": machine.initramfs}

    def boot_from(self, root: Path, form: Literal["raw", "qcow2"]) -> None:
        """Use this root disk for places instead of the prepared one, until the next :meth:`prepare`."""
        ready = self._ready()
        self._prepared = replace(ready, machine=replace(ready.machine, root=root, root_format=form))

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._prepared = None
        self._networks.close()
        self._cgroups.remove_run(self._context.run)

    def _ready(self) -> _Prepared:
        if self._prepared is None:
            raise not_prepared(self.name)
        return self._prepared

    def _check_variant(self) -> None:
        """Check that this host has what the variant asks for.

        Raises:
            Missing: it has not.
        """
        cpu = self._variant.cpu or self._options.cpu
        if self.accelerator == "tcg" and cpu.partition(",")[0] == "host":
            raise Missing(
                say(
                    "guest.cpu_host",
                    "The CPU model 'host' is the host's own, which only KVM can give to a guest.",
                ),
                say("remedy.cpu_max", "Use cpu=max, or see `tare doctor` for why KVM is not used."),
            )
        available = len(os.sched_getaffinity(0))
        if self._variant.cpus > available:
            raise Missing(
                say(
                    "guest.too_many_vcpus",
                    "{cpus} vCPUs are more than the {available} CPUs that may be used here.",
                    cpus=self._variant.cpus,
                    available=available,
                ),
                say("remedy.fewer_cpus", "Use fewer: cpus=N."),
            )
        if self._variant.iothread and self.accelerator == "tcg" and self._profile.board == "microvm":
            raise Missing(
                say(
                    "guest.io_thread",
                    "An I/O thread needs ioeventfd, which QEMU without KVM supports on PCI only.",
                ),
                say("remedy.use_q35", "Use qemu-q35:{name}.", name=self._variant.name),
            )
        if self._variant.hugetlb:
            check_free(1)

    def _plan(self, ready: _Prepared, instance: Instance) -> QemuPlan:
        kind = "emulated" if self._kvm_in_spite else self.accelerator
        limits = ready.limits
        return QemuPlan(
            context=self._context,
            name=f"{self._file_name}-{instance.number}",
            number=instance.number,
            qemu=ready.qemu,
            machine=ready.machine,
            instance=instance,
            scratch=ready.machine.scratch,
            limits=msgspec.structs.replace(
                limits,
                memory_bytes=limits.memory_bytes + OVERHEAD_BYTES[self.accelerator],
                pids=max(limits.pids, QEMU_PIDS),
            ),
            cgroups=self._cgroups,
            boot_seconds=self._options.boot_timeout_seconds or BOOT_SECONDS[kind],
            leave_seconds=LEAVE_SECONDS[kind],
            facts=ready.facts,
            kvm=self.accelerator == "kvm",
            ram_bytes=ready.machine.memory_bytes,
            host_address=instance.network.host if instance.network else None,
            host_network=instance.network.namespace if instance.network else "",
            pin_to=self._pin_to(limits) if self._variant.pin else (),
        )

    @property
    def _kvm_in_spite(self) -> bool:
        """KVM is used although the micro guest found it unusable for ordinary kernels."""
        return self.accelerator == "kvm" and self._baseline is not None and not self._baseline.usable

    @staticmethod
    def _pin_to(limits: Limits) -> tuple[int, ...]:
        return limits.cpuset or tuple(sorted(os.sched_getaffinity(0)))

    def _machine(
        self, store: Cache, image: Image, limits: Limits, given: GuestKernel, kernel: kernels.Kernel
    ) -> Machine:
        files = by_name(given.modules)
        wiring = wire(self._profile.board, kernel.features, files, self._variant)
        modules = ordered(wiring.modules, files, kernel.features)
        machine = Machine(
            profile=self._profile,
            variant=self._variant,
            accelerator="kvm" if self.accelerator == "kvm" else "tcg",
            cpu=self._cpu(),
            cpus=self._variant.cpus or limits.cpus,
            memory_bytes=limits.memory_bytes,
            kernel=kernel.path,
            initramfs=kernel.path,
            wiring=wiring,
            root=root_disk(store, image, self._provision) if wiring.disk else None,
            scratch=scratch_template(self._context, limits, self._provision) if wiring.disk else None,
            cmdline=self._options.cmdline,
            tsc_khz=tsc_khz() if self.accelerator == "tcg" else None,
            tsc_reliable=host_trusts_it(),
        )
        if not machine.lean and not kernel.boots_itself:
            raise TareError(say(
                "guest.no_bzimage",
                "{name} needs a bzImage, the kernel as distributions ship it, and {given} is not one; give one (TARE_GUEST_KERNEL)",
                name=self.name, given=kernel.given,
            ))  # fmt: skip
        return replace(
            machine,
            kernel=kernel.path if machine.lean else kernel.given,
            initramfs=initramfs(store, image, modules, with_tree=not wiring.disk, compress=not machine.lean),
        )

    def _cpu(self) -> str:
        """Choose the model for ``-cpu``; empty: QEMU's default."""
        variant = self._variant
        if variant.cpu:
            return "" if variant.cpu == "default" else variant.cpu
        if variant.plain:
            return ""
        return self._options.cpu or ("host" if self.accelerator == "kvm" else "max")

    def _boot_disk(self, machine: Machine) -> Path | None:
        """Build the firmware's boot disk, in the run's work folder because the kernel's arguments name the run."""
        if machine.profile.start != "firmware":
            return None
        return build_boot_disk(
            self._context.workdir / f"boot-{self._file_name}.img",
            machine.kernel,
            machine.initramfs,
            kernel_cmdline(machine, self._context.run),
            grub=self._provision.tool("grub-mkimage"),
            mke2fs=self._provision.tool("mke2fs"),
        )

    def _save(self) -> Snapshot:
        """Boot a guest once, and save it as it waits for its first job."""
        ready = self._ready()
        folder = self._context.workdir / f"snapshot-{self._file_name}"
        folder.mkdir()
        memory = folder / "memory"
        with self._networks.attach() as network:
            instance = Instance(self._context.run, next(self._numbers), network, Memory(memory, shared=True))
            with QemuPlace(self._plan(ready, instance), None) as place:
                return save(place, folder, memory)

    def _facts(
        self, machine: Machine, given: GuestKernel, kernel: kernels.Kernel, qemu: Tool
    ) -> dict[str, object]:
        """Collect the facts for the context of all places."""
        disk = scratch_disk(machine.variant.cache, file_system(self._context.workdir))
        return {
            "accelerator": machine.accelerator,
            "machine": machine_type(machine),
            "start": machine.profile.start,
            "cpu_model": machine.cpu or "QEMU's default",
            "cpus": machine.cpus,
            "memory_bytes": machine.memory_bytes,
            **LIMITED_BY,
            **kernels.context_facts(given, kernel),
            "kernel_form": kernel.form if machine.lean else "bzImage",
            "kernel_cmdline": re.sub(r"(tsc_early_khz)=\d+", r"\1=N", kernel_cmdline(machine, "RUN")),
            "console": machine.variant.console if machine.wiring.virtio_channel else "none",
            "channel": "virtio-serial" if machine.wiring.virtio_channel else "serial port",
            "disk_cache": machine.variant.cache if machine.wiring.disk else "none",
            "root": "ext4 image, read-only" if machine.wiring.disk else "initramfs",
            "scratch_file_system": disk if machine.wiring.disk else "memory (initramfs)",
            "network": self._networks.kind,
            "kernel_mark": KERNEL_MARK,
            "qemu": qemu.version,
            "limitations": [
                *machine.wiring.notes,
                *_CAVEATS[machine.profile.start],
                *([_IN_SPITE] if self._kvm_in_spite else []),
                *([_HELPER] if machine.variant.net == "passt" else []),
            ],
        }


def make(supplies: Supplies, name: str) -> QemuRunner:
    """Make the runner for the registry."""
    return QemuRunner(supplies.context, supplies.provision, supplies.settings.guest, name=name)


_IN_SPITE = "KVM was asked for although it emulates guest kernel mode here, or is not accelerated"
_HELPER = "passt's CPU time is in the cgroup's, if there is one, and not in the VMM's"
_CAVEATS: dict[str, tuple[str, ...]] = {"direct": (), "firmware": (), "restored": (COPIES,)}
