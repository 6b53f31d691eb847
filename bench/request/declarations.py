"""Declare each setting once, for options, variables, ``tare.toml`` and pytest alike.

A declaration is bound to a field of :class:`tare.bench.request.settings.Settings`, which has its type and default.
Importing this module imports none of the groups: whoever only declares options need not wait for them.
:mod:`tare.bench.request.setting` defines what a declaration says; ``tare config --json`` prints them with their values.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from tare.bench.request import readers
from tare.bench.request.run_names import run_name
from tare.bench.request.setting import Setting
from tare.results.nearest import nearest, suggested
from tare.results.said import say, shown
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tare.bench.request.settings import Settings


SETTINGS = (
    Setting(
        "run.runners",
        "--runners",
        "runners, comma separated (see `tare doctor`)",
        readers.names,
        metavar="A,B",
    ),
    Setting(
        "run.keyword",
        "-k",
        "only these workloads or families, by whole name, else by a part of it, e.g. 'python or disk'",
        readers.text,
        metavar="EXPR",
    ),
    Setting(
        "run.image",
        "--image",
        "measure in an image made elsewhere: an OCI layout or archive, what `docker save` writes, or a registry's name"
        " such as docker.io/library/redis:7",
        readers.image,
        metavar="IMAGE",
    ),
    Setting(
        "run.seed",
        "--seed",
        "seed of the shuffled order (default: drawn and stored)",
        readers.whole,
        metavar="N",
    ),
    Setting(
        "run.blocks",
        "--blocks",
        "take exactly N blocks of everything, whatever the budget and the precision",
        readers.positive,
        metavar="N",
    ),
    Setting(
        "run.budget",
        "--budget",
        "measuring time, such as 90s or 6m (default: by mode); with --resume it is added to the run's",
        readers.seconds,
        metavar="TIME",
        field="run.budget_seconds",
    ),
    Setting(
        "run.precision",
        "--precision",
        "aim at 95 % intervals within ±PERCENT of every cost (default: by mode, 1 or 0.5)",
        readers.percentage,
        metavar="PERCENT",
    ),
    Setting(
        "run.tools",
        "--tools",
        "programs to use instead of those found, e.g. runc=/opt/new/runc",
        readers.programs,
        metavar="NAME=PATH",
    ),
    Setting("run.name", "--name", "a name to find the run by", run_name),
    Setting(
        "run.results_dir",
        "--results-dir",
        "folder of the runs",
        readers.folder,
        "DIR",
        "output.results_dir",
    ),
    Setting(
        "run.baselines_dir",
        "--baselines-dir",
        "folder of the baselines, by host class",
        readers.folder,
        "DIR",
        "output.baselines_dir",
    ),
    Setting(
        "run.reports_dir",
        "--reports-dir",
        "folder of the reports",
        readers.folder,
        "DIR",
        "output.reports_dir",
    ),
    Setting(
        "run.language",
        "--lang",
        "language of the terminal and of reports: en or ko",
        readers.language,
        "LANG",
        "output.language",
    ),
    Setting(
        "store.address",
        "--store",
        "where runs are kept: a folder, git:BRANCH, git:BRANCH@REMOTE, s3://BUCKET/FOLDER, …",
        readers.store,
        "STORE",
    ),
    Setting(
        "limits.cpus",
        "--cpus",
        "CPUs that each place may use (default: all)",
        readers.positive,
        metavar="N",
    ),
    Setting("limits.cpuset", "--cpuset", "host CPUs to run on, e.g. 0-1", readers.cpu_list, metavar="LIST"),
    Setting(
        "limits.memory",
        "--memory",
        "memory of each place",
        readers.size,
        metavar="SIZE",
        field="limits.memory_bytes",
    ),
    Setting(
        "limits.pids",
        "--pids",
        "processes that each place may have",
        readers.positive,
        metavar="N",
    ),
    Setting(
        "limits.scratch",
        "--scratch",
        "disk space of each place",
        readers.size,
        metavar="SIZE",
        field="limits.scratch_bytes",
    ),
    Setting(
        "limits.io",
        "--io",
        "reads and writes per second of each place on the disk of the scratch folder: 50M, 2000iops or both",
        readers.throughput,
        metavar="RATE",
    ),
    Setting(
        "crowd.memory_budget",
        "--memory-budget",
        "memory that all places together may use (default: a quarter of what is available)",
        readers.size,
        metavar="SIZE",
        field="crowd.memory_budget_bytes",
    ),
    Setting(
        "crowd.most_places",
        "--most-places",
        "idle places that the density ramp opens at most",
        readers.positive,
        metavar="N",
    ),
    Setting(
        "kubernetes.image",
        "--kubernetes-image",
        "image that the cluster's nodes can pull, instead of loading the suite's",
        readers.text,
        "REFERENCE",
    ),
    Setting(
        "kubernetes.containerd",
        "--kubernetes-containerd",
        "socket of the node's containerd on this host",
        readers.program,
        "FILE",
    ),
    Setting(
        "guest.kernel",
        "--guest-kernel",
        "guest kernel: host, cloud or generic (the distribution's), or a vmlinux or bzImage",
        readers.kernel,
        "FILE",
    ),
    Setting(
        "guest.modules",
        "--guest-modules",
        "modules of a guest kernel given as a file: a folder laid out as /lib/modules/RELEASE",
        readers.file,
        "DIR",
    ),
    Setting(
        "guest.cmdline",
        "--guest-cmdline",
        "extra guest kernel arguments",
        readers.line,
        "ARGS",
    ),
    Setting("guest.firecracker", "--firecracker", "Firecracker binary", readers.program, "FILE"),
    Setting(
        "guest.cloud_hypervisor",
        "--cloud-hypervisor",
        "Cloud Hypervisor binary",
        readers.program,
        "FILE",
    ),
    Setting("guest.qemu", "--qemu", "QEMU binary", readers.file, "FILE"),
    Setting("guest.cpu", "--qemu-cpu", "QEMU CPU model", readers.text, "MODEL"),
    Setting(
        "guest.accel",
        "--accel",
        "auto, kvm or tcg; one asked for by name is used or fails",
        readers.accelerator,
        "NAME",
    ),
    Setting(
        "guest.boot_timeout",
        "--boot-timeout",
        "seconds that a guest may take to reach the agent (default: by accelerator)",
        readers.seconds,
        metavar="SECONDS",
        field="guest.boot_timeout_seconds",
    ),
    Setting(
        "run.count",
        "--count",
        "with commands: also count their instructions in user mode, by the PMU or else under callgrind",
        readers.yes,
        field="commands.count",
    ),
)


@functools.cache
def by_key() -> Mapping[str, Setting]:
    """Index the declarations by key."""
    return {setting.key: setting for setting in SETTINGS}


def near_key(key: str) -> str:
    """Make the end of the sentence on a key that there is not, with the one that was probably meant."""
    group, _, name = key.partition(".")
    elsewhere = [one for one in by_key() if one.partition(".")[2] == name]
    names = [one.partition(".")[2] for one in by_key() if one.startswith(f"{group}.")]
    near = elsewhere[0] if elsewhere else f"{group}.{found}" if (found := nearest(name, names)) else ""
    if not names and not near:
        near = nearest(key, by_key())
    return suggested(near) if near else "."


def change(settings: Settings, values: Iterable[tuple[Setting, Any]]) -> Settings:
    """Replace fields of the settings, group by group."""
    from msgspec.structs import replace  # noqa: PLC0415 - a pytest session that measures nothing loads no msgspec

    groups: dict[str, dict[str, Any]] = {}
    for setting, value in values:
        groups.setdefault(setting.group, {})[setting.name] = value
    return replace(
        settings, **{group: replace(getattr(settings, group), **own) for group, own in groups.items()}
    )


def read(setting: Setting, origin: str, given: object, folder: Path | None = None) -> Any:
    """Read the value of a setting.

    Args:
        setting: the declaration.
        origin: where the value comes from, as error messages name it.
        given: text, or what TOML made of it: a number, true or false, or a list where several values may be given.
        folder: folder of the settings file that relative paths are of; ``None``: the working directory.

    Raises:
        UsageError: the value cannot be used; the text says what could, with an example.
    """
    try:
        text = _as_text(setting, given)
        return setting.read(setting.read.below(text, folder) if folder else text)
    except ValueError as error:
        raise UsageError(say(
            "settings.unusable", "{origin}: cannot use {given}: {error}.",
            origin=origin, given=_shown(given), error=error,
        )) from error  # fmt: skip


def _as_text(setting: Setting, given: object) -> str:
    if isinstance(given, bool) and setting.read.flag:
        return str(given)
    parts = given if isinstance(given, list) and setting.read.many else [given]
    if any(isinstance(part, bool) or not isinstance(part, str | int | float) for part in parts):
        raise setting.read.unreadable()
    text = ",".join(map(str, parts))
    if "\0" in text:
        raise setting.read.unreadable(say("reader.zero_byte", "there is a zero byte in it"))
    return text


def _shown(given: object) -> str:
    """Write a wrong value as its settings file has it, in short."""
    if isinstance(given, bool):
        return str(given).lower()
    text = repr(given) if isinstance(given, str | int | float | list | dict) else str(given)
    return shown(text)


def override(settings: Settings, assignment: str, origin: str) -> tuple[Setting, Settings]:
    """Apply ``guest.kernel=FILE``; return which setting was meant and the new settings.

    Programs of ``run.tools`` are added to those that are there.

    Raises:
        UsageError: there is no such setting, or it cannot be set to this.
    """
    key, sign, text = assignment.partition("=")
    setting = by_key().get(key)
    if not sign or setting is None:
        hint = near_key(key) if sign else "."
        raise UsageError(say(
            "settings.assignment", "{origin} {assignment!r}: give KEY=VALUE{hint} Keys are {names}.",
            origin=origin, assignment=assignment, hint=hint, names=", ".join(by_key()),
        ))  # fmt: skip
    value = read(setting, f"{origin} {key}", text)
    if isinstance(value, dict):
        value = {**setting.of(settings), **value}
    return setting, change(settings, [(setting, value)])
