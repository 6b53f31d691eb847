"""Check requests against the two VMMs' published API specifications, as far as the suite speaks to them.

Sources: Firecracker ``src/firecracker/swagger/firecracker.yaml``, 1.17.0-dev; Cloud Hypervisor
``vmm/src/api/openapi/cloud-hypervisor.yaml``, API 0.3.0. Each request has the specification's whole list of
fields, so that one of another version, or a misspelt one, is refused as the VMMs refuse it.

A field's type is ``bool``, ``int``, ``str``, a set of allowed strings, ``FILE`` (of the host, has to exist), a table of
fields, or a list with the type of its items. ``!`` at the end of a name: required.
"""

from pathlib import Path
from typing import Any

FILE, FOLDER_URL = object(), object()
ANY = object()
"""Not spoken of by the suite, so not looked into."""

Specification = dict[str, Any]
"""Call → the fields of its body."""

FIRECRACKER: Specification = {
    "PUT /machine-config": {
        "vcpu_count!": int,
        "mem_size_mib!": int,
        "cpu_template": ANY,
        "smt": bool,
        "track_dirty_pages": bool,
        "huge_pages": {"None", "Transparent", "2M"},
    },
    "PUT /boot-source": {"kernel_image_path!": FILE, "initrd_path": FILE, "boot_args": str},
    "PUT /drives/": {
        "drive_id!": str,
        "is_root_device!": bool,
        "partuuid": str,
        "cache_type": {"Unsafe", "Writeback"},
        "is_read_only": bool,
        "path_on_host": FILE,
        "rate_limiter": ANY,
        "io_engine": {"Sync", "Async"},
        "socket": str,
    },
    "PUT /actions": {"action_type!": {"FlushMetrics", "InstanceStart", "SendCtrlAltDel"}},
    "PATCH /vm": {"state!": {"Paused", "Resumed"}},
    "PUT /snapshot/create": {"mem_file_path!": str, "snapshot_path!": str, "snapshot_type": {"Full", "Diff"}},
    "PUT /snapshot/load": {
        "snapshot_path!": FILE,
        "enable_diff_snapshots": bool,
        "track_dirty_pages": bool,
        "mem_file_path": FILE,
        "mem_backend": {"backend_type!": {"File", "Uffd"}, "backend_path!": FILE},
        "resume_vm": bool,
        "network_overrides": ANY,
        "vsock_override": ANY,
        "clock_realtime": bool,
    },
}

_CONSOLE = {"Off", "Pty", "Tty", "File", "Socket", "Null"}

CLOUD_HYPERVISOR: Specification = {
    "PUT /api/v1/vm.create": {
        "cpus": {
            "boot_vcpus!": int,
            "max_vcpus!": int,
            **dict.fromkeys(
                ("topology", "kvm_hyperv", "max_phys_bits", "nested", "affinity", "features", "core_scheduling"),
                ANY,
            ),
        },
        "memory": {
            "size!": int,
            "hotplug_size": int,
            "hotplugged_size": int,
            "mergeable": bool,
            "hotplug_method": str,
            "shared": bool,
            "hugepages": bool,
            "hugepage_size": int,
            "prefault": bool,
            "reserve": bool,
            "thp": bool,
            "zones": ANY,
        },
        "payload!": {
            "firmware": FILE,
            "kernel": FILE,
            "cmdline": str,
            "initramfs": FILE,
            "igvm": FILE,
            "host_data": str,
        },
        "disks": [
            {
                "path": FILE,
                "readonly": bool,
                "direct": bool,
                "iommu": bool,
                "num_queues": int,
                "queue_size": int,
                "vhost_user": bool,
                "vhost_socket": str,
                "rate_limiter_config": ANY,
                "pci_segment": int,
                "pci_device_id": int,
                "id": str,
                "serial": str,
                "rate_limit_group": str,
                "queue_affinity": ANY,
                "backing_files": bool,
                "sparse": bool,
                "image_type": {"FlatVmdk", "FixedVhd", "Qcow2", "Raw", "Vhdx", "Unknown"},
                "lock_granularity": {"ByteRange", "Full"},
            }
        ],
        "rng": {"src!": FILE, "id": str, "pci_segment": int, "pci_device_id": int, "iommu": bool},
        "serial": {"mode!": _CONSOLE, "file": str, "socket": str},
        "console": {
            "mode!": _CONSOLE,
            "file": str,
            "socket": str,
            "iommu": bool,
            "id": str,
            "pci_segment": int,
            "pci_device_id": int,
        },
        **dict.fromkeys(
            ("rate_limit_groups", "net", "balloon", "fs", "generic_vhost_user", "pmem", "debug_console", "devices",
             "user_devices", "vdpa", "vsock", "numa", "iommu", "watchdog", "rtc", "pvpanic", "pci_segments", "platform",
             "tpm", "landlock_enable", "landlock_rules"),
            ANY,
        ),
    },
    "PUT /api/v1/vm.boot": None,
    "PUT /api/v1/vm.pause": None,
    "PUT /api/v1/vm.resume": None,
    "PUT /api/v1/vm.snapshot": {"destination_url": FOLDER_URL},
    "PUT /api/v1/vm.restore": {
        "source_url!": FOLDER_URL,
        "prefault": bool,
        "memory_restore_mode": {"Copy", "OnDemand", "CopyOnWrite"},
        "resume": bool,
        "zone_updates": ANY,
    },
}  # fmt: skip
"""``None``: the request has no body."""


def complaint(specification: Specification, method: str, path: str, body: Any) -> str:
    """Say what is wrong with a request; empty: nothing."""
    name = f"{method} /drives/" if path.startswith("/drives/") else f"{method} {path}"
    if name not in specification:
        return f"no such call: {method} {path}"
    wanted = specification[name]
    if (wanted is None) != (body is None):
        return f"{name}: a body too few or too many"
    if name == "PUT /drives/" and body.get("drive_id") != path.removeprefix("/drives/"):
        return f"{name}: drive_id is not the path's"
    return "" if wanted is None else _wrong(body, wanted, name)


def _wrong(value: Any, wanted: Any, where: str) -> str:
    if isinstance(wanted, dict):
        return _wrong_fields(value, wanted, where)
    if isinstance(wanted, list):
        return next(filter(None, (_wrong(one, wanted[0], where) for one in value)), "")
    return "" if _fits(value, wanted) else f"{where}: {value!r} will not do"


def _fits(value: object, wanted: object) -> bool:
    if wanted is FILE:
        return isinstance(value, str) and Path(value).exists()
    if wanted is FOLDER_URL:
        return isinstance(value, str) and value.startswith("file:///") and Path(value[7:]).is_dir()
    if isinstance(wanted, set):
        return value in wanted
    return wanted is ANY or type(value) is wanted


def _wrong_fields(value: dict[str, Any], wanted: Specification, where: str) -> str:
    required = {name[:-1] for name in wanted if name.endswith("!")}
    types = {name.removesuffix("!"): type_ for name, type_ in wanted.items()}
    if lacking := required - value.keys():
        return f"{where}: missing field {min(lacking)}"
    if unknown := value.keys() - types.keys():
        return f"{where}: unknown field {min(unknown)}"
    return next(
        filter(None, (_wrong(one, types[name], f"{where} {name}") for name, one in value.items())), ""
    )
