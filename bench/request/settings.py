"""What the user asked for: options over environment over ``tare.toml`` over defaults.

Every setting is declared once, in :data:`SETTINGS`; commands pick the groups they need.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.bench.request.readers import (
    cpu_list,
    names,
    one_of,
    percentage,
    positive,
    programs,
    seconds,
    size,
    throughput,
)
from tare.runners.errors import UsageError
from tare.runners.model import Limits

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

CONFIG_FILE = "tare.toml"


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set, and where."""

    key: str
    """``table.key`` in ``tare.toml``."""
    option: str
    help: str
    read: Callable[[str], Any]
    group: str
    environment: str = ""
    metavar: str = "VALUE"
    default: Any = None


SETTINGS = (
    Setting(
        "run.runners",
        "--runners",
        "runners, comma separated (see `tare doctor`)",
        names,
        "run",
        metavar="A,B",
    ),
    Setting(
        "run.keyword",
        "-k",
        "only workloads whose name or family matches, e.g. 'startup or cpu'",
        str,
        "run",
        metavar="EXPR",
        default="",
    ),
    Setting(
        "run.image",
        "--image",
        "measure in an image made elsewhere: an OCI layout or archive, or what `docker save` writes",
        str,
        "run",
        metavar="PATH[:NAME]",
        default="",
    ),
    Setting(
        "run.seed",
        "--seed",
        "seed of the shuffled order (default: drawn, and stored)",
        int,
        "run",
        metavar="N",
    ),
    Setting(
        "run.blocks",
        "--blocks",
        "take exactly N blocks instead of as many as the time budget allows",
        positive,
        "run",
        metavar="N",
    ),
    Setting(
        "run.budget",
        "--budget",
        "measuring time to plan for, in seconds (default: by mode)",
        seconds,
        "run",
        metavar="SECONDS",
    ),
    Setting(
        "run.precision",
        "--precision",
        "measure until every cost's 95 % interval is within plus or minus so much, or the budget is spent",
        percentage,
        "run",
        metavar="PERCENT",
    ),
    Setting(
        "run.tools",
        "--tools",
        "programs to use instead of those found, e.g. runc=/opt/new/runc",
        programs,
        "run",
        metavar="NAME=PATH",
        default={},
    ),
    Setting("run.name", "--name", "a name to find the run by", str, "run", default=""),
    Setting(
        "run.results_dir",
        "--results-dir",
        "where runs are kept",
        Path,
        "places",
        "TARE_RESULTS_DIR",
        "DIR",
        Path("results/runs"),
    ),
    Setting(
        "run.baselines_dir",
        "--baselines-dir",
        "where baselines are kept, by host class",
        Path,
        "places",
        "TARE_BASELINES_DIR",
        "DIR",
        Path("results/baselines"),
    ),
    Setting(
        "run.reports_dir",
        "--reports-dir",
        "where reports are written",
        Path,
        "places",
        "TARE_REPORTS_DIR",
        "DIR",
        Path("reports/out"),
    ),
    Setting(
        "run.language",
        "--lang",
        "language of the report: en or ko",
        one_of("en", "ko"),
        "places",
        "TARE_LANG",
        "LANG",
        "en",
    ),
    Setting(
        "limits.cpus", "--cpus", "CPUs each place may use (default: all)", positive, "limits", metavar="N"
    ),
    Setting(
        "limits.cpuset",
        "--cpuset",
        "host CPUs to run on, e.g. 0-1",
        cpu_list,
        "limits",
        metavar="LIST",
        default=(),
    ),
    Setting(
        "limits.memory", "--memory", "memory of each place", size, "limits", metavar="SIZE", default=1 << 30
    ),
    Setting(
        "limits.pids", "--pids", "processes each place may have", positive, "limits", metavar="N", default=512
    ),
    Setting(
        "limits.scratch",
        "--scratch",
        "disk space of each place",
        size,
        "limits",
        metavar="SIZE",
        default=1 << 30,
    ),
    Setting(
        "limits.io",
        "--io",
        "reads and writes of each place on the scratch folder's disk, a second: 50M, 2000iops or both",
        throughput,
        "limits",
        metavar="RATE",
        default=(0, 0),
    ),
    Setting(
        "crowd.memory_budget",
        "--memory-budget",
        "memory that many places together may use (default: a quarter of what is available)",
        size,
        "crowd",
        metavar="SIZE",
    ),
    Setting(
        "crowd.most_places",
        "--most-places",
        "idle places that the density ramp opens at most (default: 128)",
        positive,
        "crowd",
        metavar="N",
    ),
    Setting(
        "kubernetes.image",
        "--kubernetes-image",
        "image that the cluster's nodes can pull, instead of loading the suite's",
        str,
        "cluster",
        "TARE_KUBERNETES_IMAGE",
        "REFERENCE",
        "",
    ),
    Setting(
        "kubernetes.containerd",
        "--kubernetes-containerd",
        "socket of the node's containerd on this host",
        str,
        "cluster",
        "TARE_KUBERNETES_CONTAINERD",
        "FILE",
        "",
    ),
    Setting(
        "guest.kernel",
        "--guest-kernel",
        "guest kernel: host, cloud or generic (the distribution's), or a vmlinux or bzImage",
        str,
        "guest",
        "TARE_GUEST_KERNEL",
        "FILE",
    ),
    Setting(
        "guest.modules",
        "--guest-modules",
        "modules of a guest kernel given as a file: a folder as /lib/modules/RELEASE",
        str,
        "guest",
        "TARE_GUEST_MODULES",
        "DIR",
    ),
    Setting(
        "guest.cmdline",
        "--guest-cmdline",
        "extra guest kernel arguments",
        str,
        "guest",
        "TARE_GUEST_CMDLINE",
        "ARGS",
    ),
    Setting(
        "guest.firecracker", "--firecracker", "Firecracker binary", str, "guest", "TARE_FIRECRACKER", "FILE"
    ),
    Setting(
        "guest.cloud_hypervisor",
        "--cloud-hypervisor",
        "Cloud Hypervisor binary",
        str,
        "guest",
        "TARE_CLOUD_HYPERVISOR",
        "FILE",
    ),
    Setting("guest.qemu", "--qemu", "QEMU binary", str, "guest", "TARE_QEMU", "FILE"),
    Setting("guest.cpu", "--qemu-cpu", "QEMU CPU model", str, "guest", "TARE_QEMU_CPU", "MODEL"),
    Setting(
        "guest.accel",
        "--accel",
        "auto, kvm or tcg; one asked for by name is used or fails",
        one_of("auto", "kvm", "tcg"),
        "guest",
        "TARE_ACCEL",
        "NAME",
    ),
    Setting(
        "guest.boot_timeout",
        "--boot-timeout",
        "seconds a guest may take to reach the agent (default: by accelerator)",
        seconds,
        "guest",
        metavar="SECONDS",
    ),
)


def add_options(parser: argparse.ArgumentParser, *groups: str) -> None:
    """Declare the settings of ``groups`` and ``--config``. Unset options stay ``None``, so that lower layers show."""
    titles = {
        "run": "what to measure",
        "limits": "limits of each place",
        "crowd": "many places at once (-k crowd)",
        "cluster": "Kubernetes (by $KUBECONFIG)",
        "guest": "guests",
        "places": "where results go",
    }
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"settings file (default: {CONFIG_FILE} if it is here)"
    )
    for group in groups:
        section = parser.add_argument_group(titles[group])
        for setting in SETTINGS:
            if setting.group == group:
                section.add_argument(
                    setting.option,
                    dest=setting.key,
                    metavar=setting.metavar,
                    help=_help(setting),
                    default=None,
                )


def _help(setting: Setting) -> str:
    text = setting.help
    if setting.environment:
        text += f" [${setting.environment}]"
    return text.replace("%", "%%")


def resolve(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Merge the four layers into key → value, for every setting.

    Raises:
        UsageError: a value cannot be read; the text names the layer it came from.
    """
    table = _config(getattr(arguments, "config", None))
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        layers = (
            (setting.option, getattr(arguments, setting.key, None)),
            (f"${setting.environment}", environ.get(setting.environment) if setting.environment else None),
            (f"{setting.key} in the settings file", table.pop(setting.key, None)),
        )
        origin, text = next(((origin, text) for origin, text in layers if text is not None), ("", None))
        values[setting.key] = setting.default if text is None else _read(setting, origin, text)
    if table:
        known = ", ".join(setting.key for setting in SETTINGS)
        raise UsageError(f"settings file: unknown {', '.join(sorted(table))}; known are {known}")
    return values


def _read(setting: Setting, origin: str, text: object) -> Any:
    if isinstance(text, list):
        text = ",".join(map(str, text))
    try:
        return setting.read(str(text))
    except ValueError as error:
        raise UsageError(f"{origin}: cannot use {text!r}: {error}") from error


def read_one(text: str, where: str) -> tuple[str, Any]:
    """``guest.kernel=FILE`` → key and value.

    Raises:
        UsageError: there is no such setting, or it cannot be set to this.
    """
    key, sign, value = text.partition("=")
    known = {setting.key: setting for setting in SETTINGS}
    if not sign or key not in known:
        raise UsageError(f"{where} {text!r}: give KEY=VALUE; keys are {', '.join(known)}")
    return key, _read(known[key], f"{where} {key}", value)


def _config(path: Path | None) -> dict[str, Any]:
    chosen = path or Path(CONFIG_FILE)
    try:
        document = tomllib.loads(chosen.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if path is None:
            return {}
        raise UsageError(f"--config {path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{chosen}: cannot be read: {error}") from error
    flat: dict[str, Any] = {}
    for table, content in document.items():
        if not isinstance(content, dict):
            raise UsageError(f"{chosen}: {table!r} must be in a table, such as [run]")
        flat.update({f"{table}.{key}": value for key, value in content.items()})
    return flat


def limits(values: Mapping[str, Any], host_cpus: Sequence[int]) -> Limits:
    """The limits asked for, checked against the CPUs this process may use.

    Raises:
        UsageError: more CPUs, or other ones, than there are.
    """
    cpuset = tuple(values["limits.cpuset"])
    if strangers := sorted(set(cpuset) - set(host_cpus)):
        raise UsageError(f"--cpuset: no CPU {strangers[0]} here; there are {sorted(host_cpus)}")
    available = len(cpuset or host_cpus)
    cpus = values["limits.cpus"] or available
    if cpus > available:
        raise UsageError(f"--cpus {cpus}: only {available} may be used here")
    return Limits(
        cpus=cpus,
        cpuset=cpuset,
        memory_bytes=values["limits.memory"],
        pids=values["limits.pids"],
        scratch_bytes=values["limits.scratch"],
        io_bytes_per_second=values["limits.io"][0],
        io_operations_per_second=values["limits.io"][1],
    )
