"""Measure the KVM baseline cost with the micro guest, and decide whether ordinary kernels can run under KVM here.

That ``/dev/kvm`` exists, opens and even creates VMs does not mean that KVM works: a host that is itself a guest of a
software KVM runs guest *user* mode natively but emulates every guest *kernel* instruction. Ordinary kernels take
minutes there, or fail at an instruction that the emulator lacks. So the loops decide, not the device.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tare.results.environment import KvmBaseline, KvmSpread
from tare.results.said import say
from tare.runners.guests.kvm import code
from tare.runners.host.endings import how_ended
from tare.runners.provision.arch import X86_64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEVICE = "/dev/kvm"
TIMEOUT_SECONDS = 1.8
"""Time after which the child is killed. With the child's start the decision takes less than two seconds."""
KILL_SECONDS = 0.2
"""Longest wait for a killed child. One that is stuck in the kernel is left behind, and that is reported."""
KERNEL_MODE_LIMIT = 20.0
"""Highest ratio of the kernel-mode loop to the user-mode loop. Hardware gives 1.0, emulation about 2,000 to 6,000."""
USER_MODE_LIMIT = 5.0
"""Highest ratio of the user-mode loop to the same loop on the host. Hardware gives 1.0, with steal up to 2."""


def as_json(baseline: KvmBaseline) -> dict[str, Any]:
    """Return plain types with the figures at the top level, for ``doctor --json``."""
    plain: dict[str, Any] = msgspec.structs.asdict(baseline)
    figures: dict[str, Any] = plain.pop("figures")
    samples = {name: msgspec.structs.asdict(one) for name, one in baseline.samples.items()}
    return plain | {"samples": samples} | figures


FIGURES = {
    "open": "opening /dev/kvm",
    "create_vm": "making a VM",
    "memory_slot": "giving it memory",
    "create_vcpu": "making a vCPU",
    "first_exit": "first instruction, to its exit",
    "open_to_first_exit": "all of these",
    "host_arithmetic": "a loop's iteration, host",
    "user_arithmetic": "the same, guest user mode",
    "kernel_arithmetic": "the same, guest kernel mode",
    "exit_out": "exit and back, port I/O",
    "exit_mmio": "exit and back, MMIO",
    "exit_hlt": "exit and back, halt",
    "exit_cpuid": "exit within the kernel, CPUID",
    "page_first_touch": "first touch of a page",
    "page_second_touch": "second touch of a page",
    "ioctl": "an ioctl that enters no guest",
}
"""Figure → its description, for `tare doctor` and reports."""


ERRNOS = {
    "ENOENT": (
        say("kvm.enoent", "there is no /dev/kvm"),
        say(
            "remedy.kvm_enoent",
            "load the module (modprobe kvm_intel or kvm_amd) and enable virtualisation in the firmware; "
            "in a VM enable nested virtualisation; in a container pass --device /dev/kvm",
        ),
    ),
    "EACCES": (
        say("kvm.eacces", "/dev/kvm may not be opened by this user"),
        say(
            "remedy.kvm_eacces",
            "sudo usermod -aG kvm $USER and log in again; if the device has no group kvm, add the udev rule "
            'KERNEL=="kvm", GROUP="kvm", MODE="0660"',
        ),
    ),
    "EPERM": (
        say("kvm.eperm", "opening /dev/kvm was refused (device cgroup or security module)"),
        say(
            "remedy.kvm_eperm",
            "in a container pass --device /dev/kvm; otherwise look at the security module's log",
        ),
    ),
    "ENXIO": (
        say("kvm.enxio", "/dev/kvm has no driver behind it"),
        say("remedy.modprobe_kvm", "modprobe kvm_intel or kvm_amd"),
    ),
    "ENODEV": (
        say("kvm.enxio", "/dev/kvm has no driver behind it"),
        say("remedy.modprobe_kvm", "modprobe kvm_intel or kvm_amd"),
    ),
    "EBUSY": (
        say("kvm.ebusy", "another hypervisor holds the processor's virtualisation (VirtualBox, VMware, …)"),
        say("remedy.kvm_ebusy", "stop its guests"),
    ),
    "ENOMEM": (
        say("kvm.enomem", "the kernel has no memory left for a VM"),
        say("remedy.kvm_enomem", "free memory or raise the memory limit"),
    ),
    "EMFILE": (
        say("kvm.emfile", "too many files are open in this process"),
        say("remedy.kvm_emfile", "raise ulimit -n"),
    ),
    "ENFILE": (
        say("kvm.enfile", "too many files are open on this host"),
        say("remedy.kvm_enfile", "raise fs.file-max"),
    ),
    "ENOTTY": (
        say("kvm.enotty", "/dev/kvm does not answer KVM's ioctls"),
        say("remedy.kvm_enotty", "look at what /dev/kvm is: ls -l /dev/kvm"),
    ),
    "EINVAL": (
        say("kvm.einval", "KVM refused a parameter that every KVM takes"),
        say("remedy.kernel_log", "look at the kernel's log"),
    ),
    "ENOSYS": (
        say("kvm.enosys", "KVM is not implemented here"),
        say("remedy.use_tcg", "use the accelerator tcg"),
    ),
    "EIO": (
        say("kvm.eio", "KVM could not start the virtual processor"),
        say("remedy.kernel_log", "look at the kernel's log"),
    ),
}
"""errno → (its meaning here, remedy)."""


def _errno_floor(base: KvmBaseline, facts: Mapping[str, object]) -> KvmBaseline:
    name, call = str(facts["errno"]), str(facts["failed"])
    text, remedy = ERRNOS.get(
        name,
        (
            say("kvm.failed", "KVM failed"),
            say("remedy.log_or_tcg", "look at the kernel's log; or use the accelerator tcg"),
        ),
    )
    return replace(
        base,
        present=name != "ENOENT",
        reason=say("kvm.call", "{text} ({call}: {name})", text=text, call=call, name=name),
        remedy=remedy,
    )


def decide(
    facts: Iterable[Mapping[str, object]], *, nested: bool, architecture: str, ended: str = ""
) -> KvmBaseline:
    """Apply the rule to the child's facts. A pure function.

    KVM is usable if every step of the set-up worked, the first exit was the expected one, and the loop takes in guest
    user mode at most :data:`USER_MODE_LIMIT` times as long as on the host, and in guest kernel mode at most
    :data:`KERNEL_MODE_LIMIT` times as long as in guest user mode.

    Args:
        facts: the lines of the child.
        nested: this host is itself a guest.
        architecture: machine name as uname(2) has it.
        ended: how the child ended; empty: well.
    """
    figures: dict[str, float | None] = {f"{name}_seconds": None for name in FIGURES}
    samples: dict[str, KvmSpread] = {}
    oddities, api, done, failed = [], None, False, None
    for fact in facts:
        if "step" in fact and "seconds" in fact:
            figures[f"{fact['step']}_seconds"] = float(str(fact["seconds"]))
            if fact.get("low") is not None:
                samples[str(fact["step"])] = _spread(fact)
        elif "step" in fact:
            oddities.append(f"{fact['step']}: {fact.get('errno') or fact.get('exit')}")
        api = fact.get("api_version", api)
        done = done or bool(fact.get("done"))
        failed = fact if "failed" in fact else failed
    user, host = (figures[f"{name}_arithmetic_seconds"] for name in ("user", "host"))
    base = KvmBaseline(
        present=True,
        usable=False,
        accelerated=user <= USER_MODE_LIMIT * host if user and host else None,
        nested=nested,
        reason="",
        figures=figures,
        samples=samples,
        oddities=tuple(oddities),
        architecture=architecture,
    )
    if failed is not None:
        return _errno_floor(base, failed)
    if api is not None and api != 12:
        return replace(
            base,
            reason=say("kvm.api", "KVM speaks API version {api}, not 12", api=api),
            remedy=say("remedy.use_tcg", "use the accelerator tcg"),
        )
    if architecture != X86_64.machine and done:
        return replace(
            base,
            usable=True,
            reason=say(
                "kvm.unmeasured",
                "a VM can be created; not measured on {architecture}",
                architecture=architecture,
            ),
        )
    return _judge_steps(base, done=done, ended=ended)


def _judge_steps(base: KvmBaseline, *, done: bool, ended: str) -> KvmBaseline:
    """Judge by the steps that were taken, then by the loops."""
    figures = base.figures
    user, kernel, host = (figures[f"{name}_arithmetic_seconds"] for name in ("user", "kernel", "host"))
    if not done:
        return replace(
            base,
            reason=say(
                "kvm.ended",
                "the micro guest {ended} after {step}: KVM is there but does not run guests properly",
                ended=ended or say("kvm.early", "ended early"),
                step=_last_step(figures),
            ),
            remedy=say("remedy.tcg_and_log", "use the accelerator tcg; look at the kernel's log"),
        )
    if user is None or kernel is None or figures["first_exit_seconds"] is None:
        return replace(
            base,
            reason=say(
                "kvm.odd",
                "the micro guest's first instructions did not end as they must ({oddities})",
                oddities="; ".join(base.oddities),
            ),
            remedy=say("remedy.tcg_and_log", "use the accelerator tcg; look at the kernel's log"),
        )
    return _judge_loops(base, user, kernel, host)


def _spread(fact: Mapping[str, object]) -> KvmSpread:
    low, high = (float(str(fact[end])) for end in ("low", "high"))
    return KvmSpread(n=int(str(fact["n"])), low_seconds=low, high_seconds=high)


def _last_step(figures: Mapping[str, float | None]) -> str:
    taken = [name for name in FIGURES if figures[f"{name}_seconds"] is not None]
    return say("kvm.step", "step {name}", name=taken[-1]) if taken else say("kvm.no_step", "no step at all")


def _judge_loops(base: KvmBaseline, user: float, kernel: float, host: float | None) -> KvmBaseline:
    """Judge by the loops, if everything could be measured."""
    ratio = kernel / user
    if ratio > KERNEL_MODE_LIMIT:
        reason = say(
            "kvm.emulates_kernel_mode",
            "KVM emulates guest kernel mode here: a loop iteration takes {kernel} ns in it (CPL 0) and {user} ns in user "
            "mode (CPL 3), {ratio}× as long (the limit is {limit}×), so ordinary kernels cannot boot under it",
            kernel=f"{kernel * 1e9:,.0f}", user=f"{user * 1e9:.2f}", ratio=f"{ratio:,.0f}", limit=f"{KERNEL_MODE_LIMIT:.0f}",
        )  # fmt: skip
        remedy = say("remedy.nested", "run on a host whose hypervisor offers hardware nested virtualisation")
        return replace(base, reason=reason, remedy=remedy)
    if host is not None and user > USER_MODE_LIMIT * host:
        reason = say(
            "kvm.slow_user_mode", "guest user mode runs {ratio}× slower than the host: KVM does not accelerate here",
            ratio=f"{user / host:.0f}",
        )  # fmt: skip
        remedy = say("remedy.virtualisation", "run on a host with hardware virtualisation")
        return replace(base, reason=reason, remedy=remedy)
    against = (
        say("kvm.against_host", "{ratio}× the host's time", ratio=f"{user / host:.2f}")
        if host
        else say("kvm.not_compared", "a time that could not be compared with the host's")
    )
    reason = say(
        "kvm.works", "KVM works: a guest's loop takes {against}, and in kernel mode {ratio} × user mode's",
        against=against, ratio=f"{ratio:.2f}",
    )  # fmt: skip
    return replace(base, usable=True, reason=reason)


def is_nested(cpuinfo: str) -> bool:
    """Tell whether ``/proc/cpuinfo`` shows CPUID's hypervisor bit, which means that this host is a guest."""
    return any(
        "hypervisor" in line.split(":", 1)[1].split()
        for line in cpuinfo.splitlines()
        if line.startswith("flags")
    )


def _parse(text: str) -> list[dict[str, object]]:
    """Parse the child's lines, except for a last one that a kill cut short."""
    facts = []
    for line in text.splitlines():
        try:
            facts.append(json.loads(line))
        except ValueError:
            continue
    return facts


def measure(timeout: float = TIMEOUT_SECONDS, device: str = DEVICE) -> KvmBaseline:
    """Run the micro guest in a child process and judge it. Never raises, never takes much longer than ``timeout``."""
    page, offsets = code.page()
    request = {
        "code": page.hex(),
        "offsets": offsets,
        "host": {
            "arithmetic": code.assemble(code.HOST_ARITHMETIC).hex(),
            "trips": code.assemble(code.HOST_TRIPS).hex(),
        },
        "device": device,
    }
    architecture = platform.machine()
    try:
        nested = is_nested(Path("/proc/cpuinfo").read_text())
    except OSError:
        nested = False
    child = Path(__file__).with_name("child.py")
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", os.fspath(child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError as error:
        why = say("kvm.not_started", "could not be started ({error})", error=error)
        return decide([], nested=nested, architecture=architecture, ended=why)
    ended, output = "", ""
    try:
        output, _ = process.communicate(json.dumps(request), timeout=timeout)
        if process.returncode:
            ended = how_ended(process.returncode)
    except subprocess.TimeoutExpired:
        process.kill()
        ended = say("kvm.too_slow", "was still running after {seconds} s and was killed", seconds=timeout)
        try:
            output, _ = process.communicate(timeout=KILL_SECONDS)
        except subprocess.TimeoutExpired as stuck:
            ended = say(
                "kvm.stuck",
                "could not be killed after {seconds} s (stuck in the kernel)",
                seconds=timeout,
            )
            output = (
                stuck.stdout.decode(errors="replace")
                if isinstance(stuck.stdout, bytes)
                else stuck.stdout or ""
            )
    return decide(_parse(output), nested=nested, architecture=architecture, ended=ended)


@cache
def probe_kvm() -> KvmBaseline:
    """Call :func:`measure` once per process, and keep its result."""
    return measure()
