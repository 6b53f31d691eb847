"""Stand in for Firecracker and Cloud Hypervisor.

It takes what their published API specifications allow in the state that the machine is in, refuses the rest, and runs an
agent on this host's kernel where the guest's serial port would be.

A snapshot holds what was told of the disks, as theirs do, and a restored guest is a new agent whose first word, said
long ago, is swallowed. It is started by a wrapper that says which of the two it is, where the agent lies and where
requests are written down.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from support.stub import Duck
from support.vmm_specifications import CLOUD_HYPERVISOR, FIRECRACKER, complaint
from tare.runners.agent.wire import Reader

FRESH, CONFIGURED, RUNNING, PAUSED = "fresh", "configured", "running", "paused"

MOVES = {
    "PUT /machine-config": ((FRESH, CONFIGURED), CONFIGURED),
    "PUT /boot-source": ((FRESH, CONFIGURED), CONFIGURED),
    "PUT /drives/": ((FRESH, CONFIGURED), CONFIGURED),
    "PUT /actions": ((CONFIGURED,), RUNNING),
    "PUT /snapshot/create": ((PAUSED,), PAUSED),
    "PUT /snapshot/load": ((FRESH,), PAUSED),
    "PATCH /vm": ((RUNNING, PAUSED), None),
    "PUT /api/v1/vm.create": ((FRESH,), CONFIGURED),
    "PUT /api/v1/vm.boot": ((CONFIGURED,), RUNNING),
    "PUT /api/v1/vm.pause": ((RUNNING,), PAUSED),
    "PUT /api/v1/vm.resume": ((PAUSED,), RUNNING),
    "PUT /api/v1/vm.snapshot": ((PAUSED,), PAUSED),
    "PUT /api/v1/vm.restore": ((FRESH,), PAUSED),
}
"""Call → states that it is allowed in, and the state after it. Firecracker's ``docs/snapshotting``: a snapshot is
created of a paused machine, and loaded before anything is configured."""


Body = dict[str, Any]
"""A request's or a snapshot's JSON."""


class Machine:
    """The guest: its state, what was told of it, and the agent that it runs."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.state = options, FRESH
        self.told: list[Body] = []
        self.specification = FIRECRACKER if options.kind == "firecracker" else CLOUD_HYPERVISOR
        self.agent: subprocess.Popen[bytes] | None = None
        self.serial: socket.socket | None = None
        self.restored = False
        self.lives = threading.Event()

    def call(self, method: str, path: str, body: Body | None) -> str:
        """Do what is asked; return why not, or nothing."""
        why = complaint(self.specification, method, path, body)
        if why:
            return why
        name = f"{method} {'/drives/' if path.startswith('/drives/') else path}"
        allowed, after = MOVES[name]
        if self.state not in allowed:
            return f"{name} is not supported while the machine is {self.state}"
        body = body or {}
        self.told.append(body)
        if name == "PATCH /vm":
            after = PAUSED if body["state"] == "Paused" else RUNNING
        if name == "PUT /snapshot/create":
            self.save(body["snapshot_path"], body["mem_file_path"])
        if name == "PUT /api/v1/vm.snapshot":
            folder = Path(body["destination_url"].removeprefix("file://"))
            self.save(folder / "state.json", folder / "memory-ranges")
        if name == "PUT /snapshot/load":
            why = self.load(body["snapshot_path"])
            after = RUNNING if body.get("resume_vm") else PAUSED
        if name == "PUT /api/v1/vm.restore":
            why = self.load(Path(body["source_url"].removeprefix("file://")) / "state.json")
        if why:
            return why
        if name in {"PUT /api/v1/vm.create", "PUT /api/v1/vm.restore"}:
            self.listen()
        self.move(after)
        return ""

    def move(self, after: str | None) -> None:
        """Start or pause the agent where the next state wants it."""
        if after == RUNNING and self.agent is None:
            self.start()
        elif after == PAUSED and self.agent is not None:
            self.agent.send_signal(signal.SIGSTOP)
        self.state = after or self.state

    def save(self, state: Path | str, memory: Path | str) -> None:
        """Write a snapshot."""
        Path(memory).write_bytes(b"memory")
        Path(state).write_text(json.dumps(self.told))

    def load(self, state: Path | str) -> str:
        """Read a snapshot; return what is missing of it, or nothing."""
        self.told = json.loads(Path(state).read_text())
        self.restored = True
        disks = [told.get("path_on_host") for told in self.told]
        disks += [disk["path"] for told in self.told for disk in told.get("disks", ())]
        return next((f"no such file {disk}" for disk in disks if disk and not Path(disk).exists()), "")

    def listen(self) -> None:
        """Open the serial port's socket, as Cloud Hypervisor does."""
        serial = next(told["serial"]["socket"] for told in self.told if "serial" in told)
        self.serial = socket.socket(socket.AF_UNIX)
        self.serial.bind(serial)
        self.serial.listen()

    def start(self) -> None:
        """Start the agent; that of a restored guest has said its first word long ago."""
        ours, theirs = socket.socketpair()
        told: list[str] = [self.options.agent, os.environ["TARE_RUN"], "0,1"]
        self.agent = subprocess.Popen(told, stdin=theirs.fileno(), stdout=theirs.fileno())
        theirs.close()
        if self.restored:
            reader = Reader()
            while not reader.feed(ours.recv(4096)):
                pass
        threading.Thread(target=self.join, args=(ours,), daemon=True).start()
        self.lives.set()

    def join(self, agent: socket.socket) -> None:
        """Carry bytes between the serial port and the agent."""
        line = self.serial.accept()[0] if self.serial else None
        ends = (line.fileno(), line.fileno()) if line else (0, 1)
        threading.Thread(target=pump, args=(ends[0], agent.fileno()), daemon=True).start()
        pump(agent.fileno(), ends[1])


def pump(source: int, target: int) -> None:
    """Copy from one descriptor to another until an end is closed."""
    try:
        while data := os.read(source, 65536):
            while data:
                data = data[os.write(target, data) :]
    except OSError:
        pass


def serve(machine: Machine, listening: socket.socket) -> None:
    """Answer requests, one connection after the other."""
    options = machine.options

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(sent) if sent else None
            with Path(options.record).open("a") as record:
                record.write(json.dumps([self.path, body]) + "\n")
            if self.path == options.die:
                os._exit(7)
            why = (
                "told to refuse"
                if self.path == options.refuse
                else machine.call(self.command, self.path, body)
            )
            self.send_response(400 if why else 204)
            said = json.dumps({"fault_message": why} if options.kind == "firecracker" else [why]).encode()
            if why:
                self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if why:
                self.wfile.write(said)

        do_PUT = do_PATCH = answer  # noqa: N815 - http.server's names

        def log_message(self, *_arguments: object) -> None:
            pass

    class Server(Duck):
        pass

    while True:
        peer, _ = listening.accept()
        Handler(peer, ("", 0), Server())
        peer.close()


def main() -> None:
    """Stand in until the guest's agent ends."""
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
    parser.add_argument("--level", choices=["Error", "Warning", "Info", "Debug", "Trace", "Off"])
    parser.add_argument("--refuse", default="")
    parser.add_argument("--die", default="")
    parser.add_argument("--version", action="store_true")
    options = parser.parse_args()
    if options.version:
        print("stand-in v0")
        return
    machine = Machine(options)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind((options.api_sock or options.api_socket).removeprefix("path="))
    listening.listen()
    threading.Thread(target=serve, args=(machine, listening), daemon=True).start()
    machine.lives.wait()
    assert machine.agent is not None
    sys.exit(machine.agent.wait())


if __name__ == "__main__":
    main()
