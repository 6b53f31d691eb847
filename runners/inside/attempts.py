"""Judge the attempts of ``tare-inside attempts`` to reach the host from inside a place.

An attempt that the kernel permitted is *open* if it reached something that belongs to the host, and *confined* if it
reached only something that belongs to the place: a guest may set its own kernel's time, and a container may configure
its own net namespace. An attempt that was refused is *blocked*; one that had nothing to try is *absent*.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from tare.results.details import Attempt
from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.host.disks import disk_of
from tare.runners.inside import PATH, program
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.results.details import AttemptVerdict
    from tare.runners.context import RunContext
    from tare.runners.images.image import Image
    from tare.runners.inside.fingerprint import Facts
    from tare.runners.model import Place

Scope = Literal["host", "kernel", "user", "mnt", "pid", "uts", "net"]
"""Object that a successful attempt has reached. ``host``: something that certainly belongs to the host. ``kernel``: the
kernel, which may be the host's or a guest's. ``user``: the kernel, unless the place has its own user namespace. Others:
a namespace of that kind."""

SCOPES: Final[Mapping[str, Scope]] = {
    "write-host-file": "host",
    "write-through-proc": "host",
    "leave-chroot": "host",
    "see-host-process": "host",
    "signal-host-process": "host",
    "trace-host-process": "host",
    "enter-host-namespace": "host",
    "set-time": "kernel",
    "load-module": "kernel",
    "reboot": "pid",
    "read-kernel-log": "kernel",
    "use-bpf": "kernel",
    "watch-all-processes": "kernel",
    "raise-priority": "kernel",
    "write-sysctl": "kernel",
    "trigger-sysrq": "kernel",
    "write-sysfs": "kernel",
    "set-hostname": "uts",
    "configure-network": "net",
    "raw-socket": "net",
    "packet-socket": "net",
    "mount": "mnt",
    "open-host-disk": "kernel",
    "open-host-memory": "kernel",
    # Opening release_agent needs the file's mode, writing it CAP_SYS_ADMIN in the host's own user namespace.
    "cgroup-release-agent": "user",
}
"""Every attempt, in the order of the reports."""

_LETTERS: Final = {"write-host-file": "d", "write-through-proc": "p", "leave-chroot": "c"}
"""Letter that each kind of access to the host's file writes into it."""

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """Objects of the host that a place's attempts are aimed at."""

    marker: Path
    """File of the host that attempts try to write to."""
    nonce: str
    """Name of the host's process that attempts try to see, signal and trace."""
    disk: str
    """The disk under the work folder, as ``major:minor``; empty if its file system is on no block device."""
    hierarchy: str
    """Mount options of a cgroup v1 hierarchy; empty if the host has none."""

    def arguments(self, folder: str) -> tuple[str, ...]:
        """Return arguments for ``tare-inside``; ``folder`` is a writable folder of the place, as its jobs see it."""
        pairs = (
            ("marker", str(self.marker)),
            ("nonce", self.nonce),
            ("disk", self.disk),
            ("hierarchy", self.hierarchy),
            ("folder", folder),
        )
        return tuple(f"{name}={value}" for name, value in pairs if value)


@contextmanager
def target(context: RunContext, image: Image) -> Iterator[Target]:
    """Create a file and a process on the host for the attempts, and remove them afterwards.

    The process ends when its standard input is closed, even if the suite is killed.
    """
    nonce = secrets.token_hex(8)
    marker = context.workdir / f"marker-{nonce}"
    context.workdir.mkdir(parents=True, exist_ok=True)
    marker.touch(0o600)
    decoy = subprocess.Popen(
        [f"{image.tree}{PATH}", "decoy", nonce],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"TARE_RUN": context.run},
        start_new_session=True,
    )
    try:
        yield Target(marker, nonce, disk_of(context.workdir), hierarchy())
    finally:
        decoy.kill()
        decoy.communicate()
        marker.unlink(missing_ok=True)


def hierarchy(table: str | None = None) -> str:
    """Find the mount options of a cgroup v1 hierarchy with controllers in mountinfo; empty if there is none."""
    text = table if table is not None else Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    for line in text.splitlines():
        words = line.partition(" - ")[2].split()
        if len(words) == 3 and words[0] == "cgroup":
            options = [
                word for word in words[2].split(",") if word not in {"rw", "ro", "xattr", "clone_children"}
            ]
            if options and not any("=" in word for word in options):
                return ",".join(options)
    return ""


def make(place: Place, given: Target, inside: Facts, outside: Facts) -> tuple[Attempt, ...]:
    """Run and judge all attempts in a place.

    Args:
        place: Must accept more than one job.
        given: Objects of the host that the attempts are aimed at.
        inside: The place's fingerprint.
        outside: The same facts of the host; see :func:`host_facts`.

    Raises:
        TareError: The program did not finish, or it reports a write that the host's file does not show.
    """
    job = Job((program(place), "attempts", *given.arguments(place.scratch)), timeout_seconds=TIMEOUT_SECONDS)
    result = place.run(job)
    if result.error or result.exit_code != 0:
        reason = result.error or (
            f"signal {result.signal}" if result.signal else f"exit status {result.exit_code}"
        )
        raise TareError(
            say("isolation.not_ended", "the attempts were not made to their end: {reason}", reason=reason)
        )
    made = judged(result.stdout.decode("utf-8", "backslashreplace"), inside, outside)
    _verify(made, given.marker.read_text("ascii", "replace"))
    return made


def judged(answers: str, inside: Facts, outside: Facts) -> tuple[Attempt, ...]:
    """Parse and judge the output of ``tare-inside attempts``, in the order of :data:`SCOPES`.

    Raises:
        TareError: An answer is missing, unknown or malformed.
    """
    found = {}
    for line in answers.splitlines():
        words = line.split("\t")
        if len(words) != 4 or words[0] not in SCOPES or words[1] not in {"done", "refused", "absent"}:
            raise TareError(
                say("isolation.odd_answer", "not the answer to an attempt: {line!r}", line=line[:200])
            )
        name, outcome, error, tried = words
        verdict = _verdict(outcome, SCOPES[name], inside, outside)
        found[name] = Attempt(name=name, verdict=verdict, error=error, tried=tried)
    if missing := SCOPES.keys() - found.keys():
        raise TareError(
            say(
                "isolation.no_answer",
                "no answer to the attempts {missing}",
                missing=", ".join(sorted(missing)),
            )
        )
    return tuple(found[name] for name in SCOPES)


def same_kernel(inside: Facts, outside: Facts) -> bool:
    """Tell whether a place runs on the host's kernel.

    An equal boot id proves it. A different one disproves nothing, since systemd-nspawn and LXC give each container its
    own. An equal kernel version together with the host's monotonic clock proves it as well, since a guest's clock
    starts at its boot. If the place shows no clock, the version alone decides.
    """
    if "kernel.boot_id" in inside and inside["kernel.boot_id"] == outside["kernel.boot_id"]:
        return True
    same_version = inside.get("kernel.version") == outside["kernel.version"]
    if "kernel.clock" in inside:
        return same_version and inside["kernel.clock"] == "the host's"
    return same_version and "kernel.boot_id" not in inside


def host_facts() -> Facts:
    """Collect the host's kernel and the namespaces of this process, which places are compared with."""
    release = os.uname()
    found: Facts = {"kernel.version": release.version, "kernel.release": release.release}
    found["kernel.boot_id"] = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    for kind in ("user", "mnt", "pid", "uts", "net"):
        found[f"namespace.{kind}"] = str(Path(f"/proc/self/ns/{kind}").readlink())
    return found


def _verdict(outcome: str, scope: Scope, inside: Facts, outside: Facts) -> AttemptVerdict:
    if outcome != "done":
        return "absent" if outcome == "absent" else "blocked"
    if scope == "host":
        return "open"
    if not same_kernel(inside, outside):
        return "confined"
    if scope == "kernel":
        return "open"
    # A place that does not show its namespaces is taken at its worst.
    own = inside.get(f"namespace.{scope}", "") not in {"", outside.get(f"namespace.{scope}")}
    if scope == "user":
        return "blocked" if own else "open"
    return "confined" if own else "open"


def _verify(made: tuple[Attempt, ...], letters: str) -> None:
    """Check that the host's file shows what was done to it, and nothing else."""
    claimed = {
        _LETTERS[attempt.name] for attempt in made if attempt.name in _LETTERS and attempt.verdict == "open"
    }
    if claimed != set(letters):
        raise TareError(
            say(
                "isolation.claimed",
                "the place says that it wrote to the host's file in {claimed} ways, and the file shows {letters!r}",
                claimed=len(claimed),
                letters=letters,
            )
        )
