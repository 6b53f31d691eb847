"""Stands in for Firecracker and Cloud Hypervisor: takes what their published API specifications allow, refuses the
rest, and on the start request runs an agent on this host's kernel where the guest's serial port would be.

It is started by a wrapper that says which of the two it is, where the agent lies and where requests are written down.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

# Name → (required, optional), of Firecracker's swagger and Cloud Hypervisor's OpenAPI, as far as they are used.
FIRECRACKER = {
    "/machine-config": (
        {"vcpu_count", "mem_size_mib"},
        {"smt", "cpu_template", "track_dirty_pages", "huge_pages"},
    ),
    "/boot-source": ({"kernel_image_path"}, {"boot_args", "initrd_path"}),
    "/drives/": (
        {"drive_id", "is_root_device"},
        {"path_on_host", "is_read_only", "cache_type", "io_engine", "partuuid", "rate_limiter", "socket"},
    ),
    "/actions": ({"action_type"}, set()),
}
CLOUD_HYPERVISOR = {
    "/api/v1/vm.create": (
        {"payload"},
        {
            "cpus",
            "memory",
            "disks",
            "net",
            "rng",
            "serial",
            "console",
            "vsock",
            "balloon",
            "watchdog",
            "platform",
        },
    ),
    "/api/v1/vm.boot": (set(), set()),
}
INNER = {
    "cpus": ({"boot_vcpus", "max_vcpus"}, {"topology", "affinity", "kvm_hyperv", "features", "nested"}),
    "memory": ({"size"}, {"mergeable", "shared", "hugepages", "prefault", "thp", "zones", "hotplug_method"}),
    "payload": (set(), {"firmware", "kernel", "cmdline", "initramfs", "igvm"}),
    "rng": ({"src"}, {"iommu"}),
    "serial": ({"mode"}, {"file", "socket"}),
    "console": ({"mode"}, {"file", "socket", "iommu"}),
}
DISK = (
    set(),
    {"path", "readonly", "direct", "iommu", "num_queues", "queue_size", "id", "serial", "image_type"},
)


def complaint(kind, path, body):
    """What is wrong with a request; empty: nothing."""
    table = FIRECRACKER if kind == "firecracker" else CLOUD_HYPERVISOR
    name = "/drives/" if path.startswith("/drives/") else path
    if name not in table:
        return f"no such path {path}"
    if body is None or name == "/api/v1/vm.boot":
        return "" if body is None and name == "/api/v1/vm.boot" else "a body too few or too many"
    found = _fields(body, *table[name])
    for key, value in body.items():
        if key in INNER and isinstance(value, dict):
            found = found or _fields(value, *INNER[key])
        if key == "disks":
            found = found or next(filter(None, (_fields(disk, *DISK) for disk in value)), "")
    files = [body.get("kernel_image_path"), body.get("initrd_path"), body.get("path_on_host")]
    files += [body.get("payload", {}).get(name) for name in ("kernel", "initramfs")]
    files += [disk["path"] for disk in body.get("disks", ())]
    missing = [file for file in files if file and not Path(file).is_file()]
    return found or (f"no such file {missing[0]}" if missing else "")


def _fields(body, required, optional):
    if lacking := required - body.keys():
        return f"missing field {min(lacking)}"
    if unknown := body.keys() - required - optional:
        return f"unknown field {min(unknown)}"
    return ""


def main():
    parser = argparse.ArgumentParser()
    for option in (
        "--kind",
        "--agent",
        "--record",
        "--id",
        "--api-sock",
        "--api-socket",
        "--log-path",
        "--log-file",
    ):
        parser.add_argument(option)
    parser.add_argument("--level")
    parser.add_argument("--refuse", default="")
    parser.add_argument("--version", action="store_true")
    options = parser.parse_args()
    if options.version:
        print("stand-in v0")
        return
    api = (options.api_sock or options.api_socket).removeprefix("path=")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(api)
        listening.listen()
        peer, _ = listening.accept()
    state = {"start": False, "serial": None}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self):
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            body = json.loads(sent) if sent else None
            with Path(options.record).open("a") as record:
                record.write(json.dumps([self.path, body]) + "\n")
            why = (
                "told to refuse" if self.path == options.refuse else complaint(options.kind, self.path, body)
            )
            if self.path.endswith("vm.create") and not why:
                state["serial"] = socket.socket(socket.AF_UNIX)
                state["serial"].bind(body["serial"]["socket"])
                state["serial"].listen()
            self.send_response(400 if why else 204)
            said = json.dumps({"fault_message": why} if options.kind == "firecracker" else [why]).encode()
            if why:
                self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if why:
                self.wfile.write(said)
            state["start"] = not why and self.path in {"/actions", "/api/v1/vm.boot"}

        def log_message(self, *_arguments):
            pass

    class Server:
        pass

    Handler(peer, ("", 0), Server())
    peer.close()
    if not state["start"]:
        return
    line = state["serial"].accept()[0] if state["serial"] else None
    fds = {"stdin": line, "stdout": line} if line else {}
    agent = [options.agent, os.environ["TARE_RUN"], "0,1"]
    sys.exit(subprocess.run(agent, check=False, **fds).returncode)


if __name__ == "__main__":
    main()
