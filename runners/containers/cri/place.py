"""Make a pod with one container by the calls a kubelet makes: run a sandbox, create, start; stop, remove.

The kubelet's own part is done here as well: the pod's cgroup, which holds the limits, is made before the sandbox. CRI
passes streams only through a server of its own, so the agent connects to a Unix socket in a mounted folder.

Timeline: ``requested`` is stamped before the pod's cgroup is made, ``spawned`` when the call that runs the sandbox
returns, ``created`` when the container is ready to be started, ``ended`` before the first call that takes it down,
``gone`` when the last call has returned and the pod's cgroup is removed.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tare.results.record import Metric
from tare.results.said import listed, say
from tare.runners.agent.session import AgentSession, preload
from tare.runners.containers.cri.client import LABEL, Cri
from tare.runners.containers.cri.errors import CriError
from tare.runners.containers.cri.messages import pairs
from tare.runners.containers.engines.usage import cpu_metric, cpu_seconds
from tare.runners.errors import PlaceFailure
from tare.runners.host.cgroups.group import discard
from tare.runners.host.disks import disk_of
from tare.runners.launcher.processes import Spawned
from tare.runners.model import Vantage
from tare.runners.places.commanded import find_agent
from tare.runners.places.host import HostPlace, PlacePlan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.runners.host.cgroups.group import Cgroup
    from tare.runners.host.cgroups.layout import Cgroups
    from tare.runners.model import Job

HELLO_SECONDS = 30.0
"""Time limit for the agent's first message."""
STOP_SECONDS = 5
"""Grace period before the runtime kills the agent."""
CHANNEL = "/run/tare/channel"
"""Path of the agent's socket inside the place."""
_LOOK_SECONDS = 1.0
"""Interval of checks that the container still runs while the agent is awaited. Most agents connect long before."""
_RUNNING, _UNKNOWN = 1, 3
"""States of a container in CRI."""
NAMESPACE = "tare"
"""Kubernetes namespace in the metadata of the pods."""

PHASES = (
    ("cri.sandbox", "requested", "spawned"),
    ("cri.create", "spawned", "created"),
    ("cri.start", "created", "agent"),
    ("cri.stop", "ended", "stopped"),
    ("cri.remove", "stopped", "gone"),
)
"""Metric, first mark, last mark. ``cri.start`` ends at the agent's first instruction, before its call returns."""


class CriPlan(PlacePlan, frozen=True, kw_only=True):
    """Everything needed to make a :class:`CriPlace`."""

    cri: Cri
    image: str
    """Reference of an image that the runtime has."""
    cgroups: Cgroups
    """Cgroups rooted at the top of each hierarchy, where a path means the same to the runtime."""
    daemons: tuple[Path, ...] = ()
    """Cgroups of the runtime's daemons; empty: their CPU time is not known."""


class CriPlace(HostPlace):
    """See :class:`tare.runners.model.Place`."""

    what = say("place.pod", "the pod")
    hello_seconds = HELLO_SECONDS

    def __init__(self, plan: CriPlan, first: Job | None) -> None:
        self._plan = plan
        self._pid, self._sandbox, self._container = 0, "", ""
        self._created_ns = self._stopped_ns = 0
        self._cpu = cpu_seconds(plan.daemons)
        self._requested_ns = time.monotonic_ns()
        super().__init__(plan, first)
        self.timeline["created"] = self._created_ns

    def close(self) -> None:
        """See :class:`tare.runners.model.Place`."""
        last = not self._closed
        super().close()
        if last and self._first and "gone" in self.timeline:
            cpu = cpu_metric(self._cpu, cpu_seconds(self._plan.daemons))
            self.metrics = (*_phases(self.timeline | {"stopped": self._stopped_ns}), *cpu)

    def _make_cgroup(self) -> tuple[Cgroup | None, str]:
        plan = self._plan
        self._requested_ns = time.monotonic_ns()  # the folders made before are Tare's own
        pod = plan.cgroups.create(
            plan.context.run, plan.name, plan.limits, disk=disk_of(plan.context.workdir)
        )
        self._undo.callback(discard, pod)
        self._undo.callback(self._remove_cgroups)
        return pod, pod.describe()

    def _launch(self) -> Spawned:
        plan = self._plan
        folder = self._host_scratch.parent / "channel"
        folder.mkdir()
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listening,
            ExitStack() as undo,
        ):
            listening.bind(str(folder / "channel"))
            listening.listen(1)
            undo.callback(self._take_down)
            self._sandbox = plan.cri.call("RunPodSandbox", {"config": self._pod()})["pod_sandbox_id"]
            spawned_ns = time.monotonic_ns()
            request = {
                "pod_sandbox_id": self._sandbox,
                "config": self._what_runs(folder),
                "sandbox_config": self._pod(),
            }
            self._container = plan.cri.call("CreateContainer", request)["container_id"]
            self._created_ns = time.monotonic_ns()
            plan.cri.call("StartContainer", {"container_id": self._container})
            channel = self._accepted(listening)
            self._undo.callback(channel.close)
            self._session = AgentSession(channel)
            if self._first:
                channel.settimeout(self.hello_seconds)
                channel.sendall(preload(self._first))
                channel.setblocking(False)
            undo.pop_all()
        self._enter_container()
        return Spawned(0, 0, self._requested_ns, spawned_ns)

    def _pod(self) -> dict[str, Any]:
        name = self._plan.name
        uid = f"tare-{self._run}-{name}"
        return {
            "metadata": {"name": uid, "uid": uid, "namespace": NAMESPACE},
            "hostname": "tare",
            "labels": pairs({LABEL: self._run}),
            "linux": {"cgroup_parent": f"/tare-{self._run}/{name}"},
        }

    def _what_runs(self, channel: Path) -> dict[str, Any]:
        plan = self._plan
        return {
            "metadata": {"name": "agent"},
            "image": {"image": plan.image},
            "command": ["/tare-agent"],
            "args": [f"tare-{self._run}-{plan.name}", CHANNEL],
            "envs": pairs({"TARE_RUN": self._run}),
            "mounts": [
                {"container_path": "/scratch", "host_path": str(self._host_scratch)},
                {"container_path": CHANNEL.rpartition("/")[0], "host_path": str(channel)},
            ],
            "labels": pairs({LABEL: self._run}),
        }

    def _accepted(self, listening: socket.socket) -> socket.socket:
        deadline = time.monotonic() + self.hello_seconds
        poll = select.poll()
        poll.register(listening, select.POLLIN)
        while not poll.poll(_LOOK_SECONDS * 1000):
            state, words = self._status()
            if state != _RUNNING or time.monotonic() > deadline:
                raise PlaceFailure(
                    say(
                        "container.pod_agent_silent", "the pod's agent did not connect: {words}", words=words
                    ),
                    remedy=say(
                        "remedy.runtime_log",
                        "see the runtime's log for what became of its container",
                    ),
                )
        return listening.accept()[0]

    def _enter_container(self) -> None:
        """Watch the container's cgroups, which the runtime made inside those of the pod."""
        if self._cgroup:
            inner = {name: folder / self._container for name, folder in self._cgroup.folders.items()}
            self._cgroup = replace(
                self._cgroup, folders={name: folder for name, folder in inner.items() if folder.is_dir()}
            )

    def _settle(self) -> None:
        folders = dict(self._cgroup.folders) if self._cgroup else {}
        pid = self._agent_pid()
        self.vantage = Vantage(pid, folders, pid)

    def _agent_pid(self) -> int:
        if not self._pid:
            self._pid = find_agent(self._run, self._plan.name)
        return self._pid

    def _kill(self) -> None:
        if self._cgroup:
            self._cgroup.kill()

    def _ended(self, timeout_seconds: float) -> bool:
        """Take the pod down. The calls return after the container has ended."""
        del timeout_seconds
        if "gone" not in self.timeline:
            self.timeline["ended"] = time.monotonic_ns()
            self._take_down()
            self._remove_cgroups()
            self.timeline["gone"] = time.monotonic_ns()
        return True

    def _take_down(self) -> None:
        cri = self._plan.cri
        if self._container:
            with suppress(CriError):  # stopping the sandbox ends the container as well
                cri.call("StopContainer", {"container_id": self._container, "timeout": STOP_SECONDS})
        if self._sandbox:
            cri.undo("StopPodSandbox", {"pod_sandbox_id": self._sandbox})
            self._stopped_ns = time.monotonic_ns()
            cri.undo("RemovePodSandbox", {"pod_sandbox_id": self._sandbox})
        self._sandbox = self._container = ""

    def _remove_cgroups(self) -> None:
        """Remove the pod's cgroups in all hierarchies: the runtime also makes some without limits, and leaves them."""
        for one in self._plan.cgroups.hierarchies:
            for path in (self._run_folder(one.top) / self._plan.name, self._run_folder(one.top)):
                with suppress(OSError):
                    path.rmdir()

    def _run_folder(self, top: Path) -> Path:
        return top / f"tare-{self._run}"

    def _status(self) -> tuple[int, str]:
        """Ask the runtime for the container's state, as a number and in words."""
        try:
            status = self._plan.cri.call("ContainerStatus", {"container_id": self._container}).get(
                "status", {}
            )
        except CriError as error:
            return _UNKNOWN, error.reason
        states = (
            say("cri.created", "container created"), say("cri.running", "container running"),
            say("cri.exited", "container exited"), say("cri.unknown", "container unknown"),
        )  # fmt: skip
        words = f"{status.get('reason', '')} {status.get('message', '')}".strip()
        state = status.get("state", 0)
        told = states[state]
        if state > _RUNNING:
            code = status.get("exit_code", 0)
            told = say("cri.container_ended", "{told}, exit status {code}", told=told, code=code)
        return state, listed(filter(None, (told, words)), ": ")

    def _explained(
        self, failure: PlaceFailure, events: Mapping[str, int], spawned: Spawned | None = None
    ) -> PlaceFailure:
        del spawned
        if type(failure) is not PlaceFailure:  # contradicting clocks need no explanation
            return failure
        if why := self._kernel_verdict(events, None):
            return PlaceFailure(
                say("container.died_with_agent", "{why}, and the agent with it", why=why),
                remedy=say("remedy.raise_memory_limit", "raise the memory limit"),
                log=failure.log,
            )
        return PlaceFailure(f"{failure.reason} ({self._status()[1]})", remedy=failure.remedy, log=failure.log)


def _phases(moments: Mapping[str, int]) -> tuple[Metric, ...]:
    return tuple(
        Metric(
            name=name,
            value=(moments[end] - moments[begin]) / 1e9,
            unit="s",
            direction="lower",
            clock="host-monotonic",
            source="CRI",
        )
        for name, begin, end in PHASES
        if begin in moments and end in moments
    )
