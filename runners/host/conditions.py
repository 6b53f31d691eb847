"""What spoils measurements on this host, and what one could do about it.

Each condition is looked at by one small function of ``root``, all listed in :data:`CHECKS`. Nothing is changed
here: a condition may carry the command that would change it and the one that would change it back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tare.runners.host.cpuinfo import cpu_facts, turbo
from tare.runners.host.facts import chosen, file_system_of, read
from tare.runners.host.virtualisation import virtualisation

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOT = Path("/")

STEAL_SAMPLE_SECONDS = 0.2

_LOAD_PER_CPU = 0.3
_PRESSURE_PERCENT = 5.0
_STEAL_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing about the host that may spoil measurements."""

    name: str
    ok: bool | None
    """``None``: this host does not tell."""
    found: str
    advice: str = ""
    """What it does to measurements and what helps; empty where all is well."""
    change: str = ""
    """Command that changes it, for root; empty if there is none."""
    undo: str = ""
    """Command that changes it back."""


def conditions(workdir: Path | None = None, root: Path = _ROOT) -> tuple[Condition, ...]:
    """Look at everything: some 0.3 s, most of it the sample of stolen time.

    Args:
        workdir: folder in which places will be made; by default ``/var/tmp``.
        root: where /proc and /sys are looked for.
    """
    folder = workdir or Path("/var/tmp")  # noqa: S108 - the default is a place, not a file
    return (*(check(root) for check in CHECKS), work_folder(folder, root))


def governor(root: Path) -> Condition:
    """The frequency governor."""
    found = cpu_facts(root)["governor"]
    if found is None:
        return Condition("governor", None, "no frequency scaling to be seen (usual in guests)")
    if found == "performance":
        return Condition("governor", True, found)
    files = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return Condition(
        "governor",
        False,
        found,
        "the clock follows the load, so short jobs run slower than long ones; use `performance` while measuring",
        f"echo performance | tee {files}",
        f"echo {found.split(',')[0]} | tee {files}",
    )


def turbo_mode(root: Path) -> Condition:
    """Turbo or boost."""
    found = turbo(root)
    if found is None:
        return Condition("turbo", None, "no switch for it here (usual in guests)")
    if not found:
        return Condition("turbo", True, "off")
    intel = (root / "sys/devices/system/cpu/intel_pstate/no_turbo").exists()
    file = "intel_pstate/no_turbo" if intel else "cpufreq/boost"
    off, on = ("1", "0") if intel else ("0", "1")
    return Condition(
        "turbo",
        False,
        "on",
        "the clock depends on temperature and on what the other cores do; switch it off for steady numbers",
        f"echo {off} | tee /sys/devices/system/cpu/{file}",
        f"echo {on} | tee /sys/devices/system/cpu/{file}",
    )


def load(root: Path) -> Condition:
    """The load average of the last minute."""
    first = (read(root / "proc/loadavg") or "").split()[:1]
    average = _number(first[0]) if first else None
    if average is None:
        return Condition("load", None, "/proc/loadavg cannot be read")
    cpus = cpu_facts(root)["count"] or 1
    found = f"{average:g} on {cpus} CPUs in the last minute"
    if average <= _LOAD_PER_CPU * cpus:
        return Condition("load", True, found)
    return Condition("load", False, found, "other programs compete for the CPUs; end them or wait")


def pressure(root: Path) -> Condition:
    """Pressure stall information: how much of the last 10 s some task waited (Documentation/accounting/psi.rst)."""
    shares = {}
    for resource in ("cpu", "io", "memory"):
        for word in (read(root / "proc/pressure" / resource) or "").partition("\n")[0].split():
            key, _, value = word.partition("=")
            share = _number(value)
            if key == "avg10" and share is not None:
                shares[resource] = share
    if not shares:
        return Condition("pressure", None, "the kernel tells none (it needs CONFIG_PSI and maybe psi=1)")
    found = ", ".join(f"{resource} {share:g} %" for resource, share in shares.items())
    if max(shares.values()) <= _PRESSURE_PERCENT:
        return Condition("pressure", True, found)
    return Condition("pressure", False, found, "tasks had to wait for what is listed; end other work or wait")


def steal(root: Path, seconds: float = STEAL_SAMPLE_SECONDS) -> Condition:
    """CPU time that the hypervisor below gave to others, in a short sample and since boot."""
    before = _cpu_ticks(root)
    time.sleep(seconds)
    after = _cpu_ticks(root)
    if before is None or after is None:
        return Condition("steal", None, "/proc/stat tells none")
    now = _share(after[0] - before[0], after[1] - before[1])
    ever = _share(*after)
    found = f"{now:.1%} in {seconds:g} s, {ever:.2%} since boot"
    if max(now, ever) <= _STEAL_SHARE:
        return Condition("steal", True, found)
    return Condition(
        "steal",
        False,
        found,
        "a hypervisor shares these CPUs with others; use a dedicated host, or many blocks",
    )


def nesting(root: Path) -> Condition:
    """Whether the host is a guest."""
    virtual = virtualisation(root)
    kind = virtual["kind"]
    if kind == "none":
        return Condition("virtualisation", True, "bare metal")
    if kind is None:
        return Condition("virtualisation", None, virtual["evidence"])
    return Condition(
        "virtualisation",
        False,
        f"this host is a guest ({kind}: {virtual['evidence']})",
        "guests started here are nested: their exits cost many times more than on bare metal; measure there to"
        " learn about KVM itself",
    )


def aslr(root: Path) -> Condition:
    """Address space randomisation."""
    file = "/proc/sys/kernel/randomize_va_space"
    found = read(root / file.lstrip("/"))
    if found is None:
        return Condition("aslr", None, f"{file} cannot be read")
    if found == "0":
        return Condition("aslr", True, "off")
    return Condition(
        "aslr",
        False,
        f"on ({found})",
        "memory layout differs from process to process and adds some noise; it is how programs run in practice, so"
        " leave it on unless you compare very small differences",
        f"echo 0 > {file}",
        f"echo {found} > {file}",
    )


def swap(root: Path) -> Condition:
    """Swap in use."""
    sizes = {}
    for line in (read(root / "proc/meminfo") or "").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] in ("SwapTotal:", "SwapFree:") and words[1].isdecimal():
            sizes[words[0]] = int(words[1])
    if len(sizes) != 2:
        return Condition("swap", None, "/proc/meminfo tells none")
    used = sizes["SwapTotal:"] - sizes["SwapFree:"]
    if used <= 0:
        return Condition("swap", True, "none in use")
    return Condition(
        "swap",
        False,
        f"{used >> 10} MiB in use",
        "pages come back from disk in the middle of a measurement; free memory first",
        "swapoff -a",
        "swapon -a",
    )


def smt(root: Path) -> Condition:
    """Hardware threads that share a core."""
    file = "/sys/devices/system/cpu/smt/control"
    active = read(root / "sys/devices/system/cpu/smt/active")
    if active not in ("0", "1"):
        return Condition("smt", None, "the kernel does not tell")
    if active == "0":
        return Condition("smt", True, "off, or not there")
    return Condition(
        "smt",
        False,
        "on",
        "two CPUs share one core and slow each other down; use --cpuset with one thread of each core",
        f"echo off > {file}",
        f"echo on > {file}",
    )


def huge_pages(root: Path) -> Condition:
    """Transparent huge pages."""
    file = "/sys/kernel/mm/transparent_hugepage/enabled"
    found = chosen(root / file.lstrip("/"))
    if found is None:
        return Condition("huge pages", None, "the kernel has no transparent huge pages")
    if found != "always":
        return Condition("huge pages", True, found)
    return Condition(
        "huge pages",
        False,
        found,
        "memory becomes faster at moments that nobody chose; `madvise` is steadier",
        f"echo madvise > {file}",
        f"echo {found} > {file}",
    )


def battery(root: Path) -> Condition:
    """Running on battery."""
    supplies = list((root / "sys/class/power_supply").glob("*"))
    states = [read(path / "status") for path in supplies if read(path / "type") == "Battery"]
    if "Discharging" in states:
        return Condition(
            "battery", False, "discharging", "firmware saves power on battery; plug the machine in"
        )
    return Condition(
        "battery", True, "none" if not states else ", ".join(state or "unknown" for state in states)
    )


def throttling(root: Path) -> Condition:
    """Thermal throttling since boot."""
    files = list((root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count"))
    counts = [int(text) for path in files if (text := read(path)) and text.isdecimal()]
    if not counts:
        return Condition("throttling", None, "no counters here (usual in guests)")
    if not any(counts):
        return Condition("throttling", True, "never since boot")
    return Condition(
        "throttling",
        False,
        f"{max(counts)} times since boot",
        "the CPU got too hot and slowed down; improve the cooling",
    )


def clock_source(root: Path) -> Condition:
    """What time is read from."""
    folder = "/sys/devices/system/clocksource/clocksource0"
    found = read(root / folder.lstrip("/") / "current_clocksource")
    if not found:
        return Condition("clock source", None, "the kernel does not tell")
    if found in ("tsc", "arch_sys_counter", "kvm-clock"):
        return Condition("clock source", True, found)
    available = (read(root / folder.lstrip("/") / "available_clocksource") or "").split()
    change = f"echo tsc > {folder}/current_clocksource" if "tsc" in available else ""
    return Condition(
        "clock source",
        False,
        found,
        "reading the time takes a system call or a device access, up to microseconds",
        change,
        f"echo {found} > {folder}/current_clocksource" if change else "",
    )


def work_folder(workdir: Path, root: Path = _ROOT) -> Condition:
    """What the folder for places lies on."""
    found = file_system_of(workdir, root)["file_system"]
    if found is None:
        return Condition("work folder", None, f"no mount over {workdir} is known")
    advice = {
        "tmpfs": "disk workloads would measure memory; choose a folder on a disk",
        "ramfs": "disk workloads would measure memory; choose a folder on a disk",
        "overlay": "containers cannot lay their own overlay on one, and each first write copies; choose another folder",
        "nfs": "disk workloads would measure the network; choose a local folder",
        "nfs4": "disk workloads would measure the network; choose a local folder",
    }.get(found, "")
    return Condition("work folder", not advice, f"{workdir} is on {found}", advice)


CHECKS: tuple[Callable[[Path], Condition], ...] = (
    governor,
    turbo_mode,
    throttling,
    battery,
    smt,
    load,
    pressure,
    steal,
    nesting,
    clock_source,
    aslr,
    huge_pages,
    swap,
)
"""In the order in which they are shown."""


def _cpu_ticks(root: Path) -> tuple[int, int] | None:
    """Stolen ticks and all ticks of all CPUs so far."""
    words = (read(root / "proc/stat") or "").partition("\n")[0].split()
    if len(words) < 9 or words[0] != "cpu" or not all(word.isdecimal() for word in words[1:9]):
        return None
    ticks = [int(word) for word in words[1:9]]
    return ticks[7], sum(ticks)


def _share(part: int, whole: int) -> float:
    return part / whole if whole > 0 and part > 0 else 0.0


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
