"""Check the host for conditions that spoil measurements, and advise on them.

Each condition is checked by one small function of ``root``, listed in :data:`CHECKS`. Nothing is changed: a condition
may carry the command that would change it, and the one that would change it back.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.host.condition import Condition
from tare.runners.host.cpuinfo import cpu_facts, turbo
from tare.runners.host.facts import chosen, file_system_of
from tare.runners.host.files import ROOT, read
from tare.runners.host.steal import CpuSample, steal
from tare.runners.host.system import load_average, memory
from tare.runners.host.virtualisation import virtualisation

if TYPE_CHECKING:
    from collections.abc import Callable


_LOAD_PER_CPU = 0.3
_PRESSURE_PERCENT = 5.0


def conditions(
    workdir: Path | None = None, root: Path = ROOT, *, since: CpuSample | None = None
) -> tuple[Condition, ...]:
    """Check everything; takes some 0.2 s for a sample of steal time, unless one was begun before.

    Args:
        workdir: folder in which places will be made; ``/var/tmp`` by default.
        root: put before /proc and /sys, for tests.
        since: beginning of the sample of steal time; ``None``: now.
    """
    folder = workdir or Path("/var/tmp")  # noqa: S108 - the default is a place, not a file
    sample = since or CpuSample.begin(root)
    found = (steal(root, sample) if check is steal else check(root) for check in CHECKS)
    return (*found, work_folder(folder, root))


def governor(root: Path) -> Condition:
    """Check the governor of the CPUs' frequency."""
    found = cpu_facts(root)["governor"]
    if found is None:
        return Condition(
            "governor",
            None,
            say("condition.governor_hidden", "no frequency scaling is visible (usual in guests)"),
        )
    if found == "performance":
        return Condition("governor", True, found)
    files = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return Condition(
        "governor",
        False,
        found,
        say(
            "condition.governor_advice",
            "the clock follows the load, so short jobs run slower than long ones; use `performance` while measuring",
        ),
        f"echo performance | tee {files}",
        f"echo {found.split(',')[0]} | tee {files}",
    )


def turbo_mode(root: Path) -> Condition:
    """Check whether turbo or boost is on."""
    found = turbo(root)
    if found is None:
        return Condition(
            "turbo", None, say("condition.turbo_hidden", "there is no switch for it (usual in guests)")
        )
    if not found:
        return Condition("turbo", True, say("condition.off", "off"))
    intel = (root / "sys/devices/system/cpu/intel_pstate/no_turbo").exists()
    file = "intel_pstate/no_turbo" if intel else "cpufreq/boost"
    off, on = ("1", "0") if intel else ("0", "1")
    return Condition(
        "turbo",
        False,
        say("condition.on", "on"),
        say(
            "condition.turbo_advice",
            "the clock depends on temperature and on the load of other cores; switch it off for steady numbers",
        ),
        f"echo {off} | tee /sys/devices/system/cpu/{file}",
        f"echo {on} | tee /sys/devices/system/cpu/{file}",
    )


def load(root: Path) -> Condition:
    """Check the load average of the last minute."""
    average = load_average()
    if average is None:
        return Condition("load", None, say("condition.load_hidden", "the load average cannot be read"))
    cpus = cpu_facts(root)["count"] or 1
    found = say(
        "condition.load",
        "{average} on {cpus} CPUs in the last minute",
        average=f"{round(average, 2):g}",
        cpus=cpus,
    )
    if average <= _LOAD_PER_CPU * cpus:
        return Condition("load", True, found)
    return Condition(
        "load",
        False,
        found,
        say("condition.load_advice", "other programs compete for the CPUs; end them or wait"),
    )


def pressure(root: Path) -> Condition:
    """Check the share of the last 10 s in which a task waited for a resource (Documentation/accounting/psi.rst)."""
    shares = {}
    for resource in ("cpu", "io", "memory"):
        for word in (read(root / "proc/pressure" / resource) or "").partition("\n")[0].split():
            key, _, value = word.partition("=")
            share = _number(value)
            if key == "avg10" and share is not None:
                shares[resource] = share
    if not shares:
        return Condition(
            "pressure",
            None,
            say("condition.pressure_hidden", "the kernel does not say (it needs CONFIG_PSI and maybe psi=1)"),
        )
    found = ", ".join(f"{resource} {share:g} %" for resource, share in shares.items())
    if max(shares.values()) <= _PRESSURE_PERCENT:
        return Condition("pressure", True, found)
    return Condition(
        "pressure",
        False,
        found,
        say("condition.pressure_advice", "tasks waited for these resources; end other work or wait"),
    )


def nesting(root: Path) -> Condition:
    """Check whether the host is a guest."""
    virtual = virtualisation(root)
    kind = virtual["kind"]
    if kind == "none":
        return Condition("virtualisation", True, say("condition.bare_metal", "bare metal"))
    if kind is None:
        return Condition("virtualisation", None, virtual["evidence"])
    return Condition(
        "virtualisation",
        False,
        say(
            "condition.guest",
            "this host is a guest ({kind}: {evidence})",
            kind=kind,
            evidence=virtual["evidence"],
        ),
        say(
            "condition.nested_advice",
            "guests started here are nested: their exits cost many times more than on bare metal; measure there to"
            " learn about KVM itself",
        ),
    )


def aslr(root: Path) -> Condition:
    """Check address space layout randomisation."""
    file = "/proc/sys/kernel/randomize_va_space"
    found = read(root / file.lstrip("/"))
    if found is None:
        return Condition("aslr", None, say("condition.unreadable", "{file} cannot be read", file=file))
    if found == "0":
        return Condition("aslr", True, say("condition.off", "off"))
    return Condition(
        "aslr",
        True,
        say("condition.aslr", "on ({found}), which is normal", found=found),
        say(
            "condition.aslr_advice",
            "it adds some noise between processes; switch it off only to compare very small differences",
        ),
        f"echo 0 > {file}",
        f"echo {found} > {file}",
    )


def swap(root: Path) -> Condition:
    """Check whether swap space is in use."""
    used = memory(root).swap_used_bytes
    if used is None:
        return Condition("swap", None, say("condition.swap_hidden", "/proc/meminfo does not say"))
    if used <= 0:
        return Condition("swap", True, say("condition.swap_none", "none in use"))
    return Condition(
        "swap",
        False,
        say("condition.swap", "{mib} MiB in use", mib=used >> 20),
        say(
            "condition.swap_advice",
            "pages come back from disk in the middle of a measurement; free memory first",
        ),
        "swapoff -a",
        "swapon -a",
    )


def smt(root: Path) -> Condition:
    """Check whether hardware threads share a core."""
    file = "/sys/devices/system/cpu/smt/control"
    active = read(root / "sys/devices/system/cpu/smt/active")
    if active not in ("0", "1"):
        return Condition("smt", None, say("condition.kernel_silent", "the kernel does not say"))
    if active == "0":
        return Condition("smt", True, say("condition.smt_off", "off, or not supported"))
    return Condition(
        "smt",
        False,
        say("condition.on", "on"),
        say(
            "condition.smt_advice",
            "two CPUs share one core and slow each other down; use --cpuset with one thread of each core",
        ),
        f"echo off > {file}",
        f"echo on > {file}",
    )


def huge_pages(root: Path) -> Condition:
    """Check the mode of transparent huge pages."""
    file = "/sys/kernel/mm/transparent_hugepage/enabled"
    found = chosen(root / file.lstrip("/"))
    if found is None:
        return Condition(
            "huge pages", None, say("condition.huge_pages_none", "the kernel has no transparent huge pages")
        )
    if found != "always":
        return Condition("huge pages", True, found)
    return Condition(
        "huge pages",
        False,
        found,
        say(
            "condition.huge_pages_advice",
            "memory becomes faster at unpredictable moments; `madvise` is steadier",
        ),
        f"echo madvise > {file}",
        f"echo {found} > {file}",
    )


def battery(root: Path) -> Condition:
    """Check whether the host runs on battery."""
    supplies = list((root / "sys/class/power_supply").glob("*"))
    states = [read(path / "status") for path in supplies if read(path / "type") == "Battery"]
    if "Discharging" in states:
        return Condition(
            "battery",
            False,
            say("condition.battery_discharging", "discharging"),
            say("condition.battery_advice", "firmware saves power on battery; plug the machine in"),
        )
    return Condition(
        "battery",
        True,
        say("condition.none", "none") if not states else ", ".join(state or "unknown" for state in states),
    )


def throttling(root: Path) -> Condition:
    """Check thermal throttling since boot."""
    files = list((root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count"))
    counts = [int(text) for path in files if (text := read(path)) and text.isdecimal()]
    if not counts:
        return Condition(
            "throttling", None, say("condition.throttling_hidden", "there are no counters (usual in guests)")
        )
    if not any(counts):
        return Condition("throttling", True, say("condition.throttling_never", "never since boot"))
    return Condition(
        "throttling",
        False,
        say("condition.throttling", "{times} times since boot", times=max(counts)),
        say("condition.throttling_advice", "the CPU got too hot and slowed down; improve the cooling"),
    )


def clock_source(root: Path) -> Condition:
    """Check that reading the time is cheap."""
    folder = "/sys/devices/system/clocksource/clocksource0"
    found = read(root / folder.lstrip("/") / "current_clocksource")
    if not found:
        return Condition("clock source", None, say("condition.kernel_silent", "the kernel does not say"))
    if found in ("tsc", "arch_sys_counter", "kvm-clock"):
        return Condition("clock source", True, found)
    available = (read(root / folder.lstrip("/") / "available_clocksource") or "").split()
    change = f"echo tsc > {folder}/current_clocksource" if "tsc" in available else ""
    return Condition(
        "clock source",
        False,
        found,
        say(
            "condition.clock_advice",
            "reading the time takes a system call or a device access, up to microseconds each",
        ),
        change,
        f"echo {found} > {folder}/current_clocksource" if change else "",
    )


def work_folder(workdir: Path, root: Path = ROOT) -> Condition:
    """Check the file system of the folder for places."""
    found = file_system_of(workdir, root)["file_system"]
    if found is None:
        return Condition(
            "work folder",
            None,
            say("condition.folder_hidden", "no mount over {folder} is known", folder=workdir),
        )
    in_memory = say(
        "condition.folder_memory", "disk workloads would measure memory; choose a folder on a disk"
    )
    by_network = say(
        "condition.folder_network", "disk workloads would measure the network; choose a local folder"
    )
    advice = {
        "tmpfs": in_memory,
        "ramfs": in_memory,
        "overlay": say(
            "condition.folder_overlay",
            "containers cannot mount an overlay on it, and each first write copies; choose another folder",
        ),
        "nfs": by_network,
        "nfs4": by_network,
    }.get(found, "")
    return Condition(
        "work folder",
        not advice,
        say("condition.folder", "{folder} is on {found}", folder=workdir, found=found),
        advice,
    )


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
"""All checks, in the order in which they are shown."""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
