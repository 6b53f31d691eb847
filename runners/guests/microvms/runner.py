"""Run guests of Firecracker and Cloud Hypervisor, booted or restored, on hosts with the binary and KVM."""

from __future__ import annotations

import itertools
import platform
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from tare.results.environment import GuestFacts
from tare.results.said import say
from tare.runners.errors import TareError, not_prepared, not_probed
from tare.runners.guests import kernel as kernels
from tare.runners.guests.clock import KERNEL_MARK
from tare.runners.guests.files import initramfs, root_disk, scratch_template
from tare.runners.guests.kernel_arguments import LEAN, QUIET, SERIAL_PORT
from tare.runners.guests.kvm.baseline import probe_kvm
from tare.runners.guests.microvms.place import MicroVmPlace, MicroVmPlan
from tare.runners.guests.microvms.snapshot import save
from tare.runners.guests.microvms.vmms import VMMS, MicroVm
from tare.runners.guests.options import check
from tare.runners.guests.place import COPIES, LIMITED_BY, scratch_disk
from tare.runners.guests.variant import GuestVariant
from tare.runners.guests.wiring import wire
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.host.files import file_system
from tare.runners.model import Probe
from tare.runners.provision.arch import X86_64
from tare.runners.provision.cache import Cache
from tare.runners.provision.kernel_modules import by_name, ordered

if TYPE_CHECKING:
    from tare.results.record import Accelerator
    from tare.runners.context import RunContext, Supplies
    from tare.runners.images.image import Image
    from tare.runners.model import Job, Limits
    from tare.runners.provision.kernel import GuestKernel
    from tare.runners.provision.tools import Provision
    from tare.runners.settings import GuestSettings

OVERHEAD_BYTES = 128 << 20
"""Memory that the VMM may use besides the guest's before its cgroup ends it."""
VMM_PIDS = 256
"""Most threads of the VMM."""
BOOT_SECONDS, LEAVE_SECONDS = 30.0, 10.0
"""Time limits from the launch to the agent's first message, and from the agent's leave to the VMM's end."""
_TRY_SECONDS = 10.0

RESTORED = "-restored"
"""End of the names of runners whose guests are restored from a snapshot."""


class MicroVmRunner:
    """See :class:`tare.runners.context.Runner`."""

    accelerator: Accelerator = "kvm"

    def __init__(
        self, context: RunContext, provision: Provision, settings: GuestSettings, *, name: str
    ) -> None:
        """Make it; nothing is started yet.

        Raises:
            BadOption: one cannot be used.
        """
        self._vmm = VMMS[name.removesuffix(RESTORED)]
        self._restored = name.endswith(RESTORED)
        self.name = self.label = name
        self._context, self._provision = context, provision
        self._options = check(settings)
        self._given = self._vmm.binary(settings)
        self._cgroups = Cgroups.detect()
        self._numbers = itertools.count()
        self._version = ""
        self._ready: MicroVmPlan | None = None

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`."""
        what = self._vmm.what
        if platform.machine() != X86_64.machine:
            return Probe(
                ok=False,
                reason=say("guest.x86_only", "{what} is supported on x86-64 only", what=what),
                remedy=say("remedy.other_runner", "use another runner"),
            )
        binary = self._binary()
        if binary is None:
            wanted = self._given or self._vmm.name
            return Probe(
                ok=False,
                reason=say("guest.not_installed", "{wanted} is not installed", wanted=wanted),
                remedy=say(
                    "remedy.install_or_give",
                    "install {what}, or give its binary: --{name} FILE",
                    what=what,
                    name=self._vmm.name,
                ),
            )
        baseline = probe_kvm()
        facts = GuestFacts(accelerator_why=baseline.reason, binary=str(binary))
        asked = self._options.accel == "kvm" and baseline.figures.get("create_vcpu_seconds") is not None
        if not baseline.usable and not asked:
            return Probe(
                ok=False,
                reason=say(
                    "guest.needs_kvm", "{what} needs KVM, and {reason}", what=what, reason=baseline.reason
                ),
                remedy=baseline.remedy,
                facts=facts,
            )
        try:
            done = subprocess.run(
                [binary, "--version"], capture_output=True, text=True, check=True, timeout=_TRY_SECONDS,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            return Probe(
                ok=False,
                reason=say("guest.vmm_broken", "{binary} does not work: {error}", binary=binary, error=error),
                remedy=say("remedy.reinstall", "reinstall {what}", what=what),
            )
        self._version = (done.stdout.splitlines() or ["unknown"])[0]
        return Probe(ok=True, facts=structs.replace(facts, version=self._version))

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`."""
        binary = self._binary()
        if binary is None:
            raise not_probed(self.name)
        store = Cache(self._context.cache, self._provision.progress)
        given = self._provision.guest_kernel(self._options.kernel, str(self._options.modules or ""))
        kernel = kernels.load(given.path, store)
        if kernel.form != "vmlinux":
            raise TareError(say(
                "kernel.needs_pvh",
                "{what} enters uncompressed kernels by PVH, which {path} does not support; give another (TARE_GUEST_KERNEL)",
                what=self._vmm.what, path=given.path,
            ))  # fmt: skip
        files = by_name(given.modules)
        # The agent's channel is the serial port, so a driver of a virtio console would be loaded for nothing.
        files.pop("virtio_console", None)
        features = kernel.features - {"virtio_console"}
        wiring = wire(self._vmm.board, features, files, GuestVariant())
        modules = ordered(wiring.modules, files, features)
        guest = MicroVm(
            cpus=limits.cpus,
            memory_bytes=limits.memory_bytes,
            kernel=kernel.path,
            initramfs=initramfs(store, image, modules, with_tree=not wiring.disk),
            cmdline=self._cmdline(disk=wiring.disk),
            root=root_disk(store, image, self._provision) if wiring.disk else None,
            has_scratch=wiring.disk,
        )
        self._ready = MicroVmPlan(
            context=self._context,
            name=self.name,
            number=0,
            limits=msgspec.structs.replace(
                limits,
                memory_bytes=limits.memory_bytes + OVERHEAD_BYTES,
                pids=max(limits.pids, VMM_PIDS),
            ),
            cgroups=self._cgroups,
            boot_seconds=self._options.boot_timeout_seconds or BOOT_SECONDS,
            leave_seconds=LEAVE_SECONDS,
            facts=self._facts(guest, given, kernel),
            kvm=True,
            ram_bytes=limits.memory_bytes,
            scratch=scratch_template(self._context, limits, self._provision) if wiring.disk else None,
            vmm=self._vmm,
            binary=binary,
            guest=guest,
        )
        if self._restored:
            self._ready = self._save(self._ready)

    def open(self, first: Job | None = None) -> MicroVmPlace:
        """See :class:`tare.runners.context.Runner`."""
        if self._ready is None:
            raise not_prepared(self.name)
        return MicroVmPlace(self._numbered(self._ready), first)

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self._ready = None
        self._cgroups.remove_run(self._context.run)

    def _numbered(self, plan: MicroVmPlan) -> MicroVmPlan:
        number = next(self._numbers)
        return replace(plan, number=number, name=f"{self.name}-{number}")

    def _save(self, booting: MicroVmPlan) -> MicroVmPlan:
        """Boot a guest once, and save it as it waits for its first job."""
        with MicroVmPlace(self._numbered(booting), None) as place:
            return booting.restored(save(place, self._context.workdir / f"snapshot-{self.name}"))

    def _binary(self) -> Path | None:
        found = shutil.which(self._given or self._vmm.name)
        return Path(found).absolute() if found else None

    def _cmdline(self, *, disk: bool) -> str:
        way = {"reboot": "reboot=k", "poweroff": ""}[self._vmm.exit]
        words = [
            "panic=-1",
            way,
            *QUIET,
            *LEAN,
            f"tare.run={self._context.run}",
            f"tare.channel={SERIAL_PORT}",
        ]
        words += ["tare.root=/dev/vda", "tare.scratch=/dev/vdb"] if disk else []
        return " ".join([*filter(None, words), f"tare.exit={self._vmm.exit}", self._options.cmdline]).strip()

    def _facts(self, guest: MicroVm, given: GuestKernel, kernel: kernels.Kernel) -> dict[str, object]:
        """Collect the facts for the context of all places."""
        on = file_system(self._context.workdir)
        restored = {"restored_memory": self._vmm.restored_memory} if self._restored else {}
        return {
            **restored,
            "accelerator": "kvm",
            "machine": self._vmm.name,
            "start": "restored" if self._restored else "direct",
            "cpu_model": "host",
            "cpus": guest.cpus,
            "memory_bytes": guest.memory_bytes,
            **LIMITED_BY,
            **kernels.context_facts(given, kernel),
            "kernel_form": kernel.form,
            "kernel_cmdline": guest.cmdline.replace(f"tare.run={self._context.run}", "tare.run=RUN"),
            "console": "none",
            "channel": "serial port",
            "disk_cache": self._vmm.cache if guest.has_scratch else "none",
            "root": "ext4 image, read-only" if guest.root else "initramfs",
            "scratch_file_system": scratch_disk(self._vmm.cache, on)
            if guest.has_scratch
            else "memory (initramfs)",
            "network": "none",
            "kernel_mark": KERNEL_MARK,
            "vmm": self._version,
            "limitations": [
                "the agent speaks over the serial port, each byte of which is an exit",
                *([COPIES] if self._restored else []),
            ],
        }


def make(supplies: Supplies, name: str) -> MicroVmRunner:
    """Make the runner for the registry."""
    return MicroVmRunner(supplies.context, supplies.provision, supplies.settings.guest, name=name)
