"""Sample the Python processes of a place by py-spy while jobs run in it.

py-spy is attached to the place's agent and follows all processes below it: from the host where it sees them, else as a
service in the place itself. It ends when no Python process is left, and gives up within a second where there is none, so it
is started again and again until the place has done its work.

Where the place has process ids of its own, py-spy on the host enters its namespaces: it tells waiting threads from running
ones by the ids that Python knows of them, and from outside would take all of them for running.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from tare.bench.workloads.command import run_aside
from tare.results.said import listed, say
from tare.results.scratch import scratch_folder
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.host.endings import how_ended, last_words, oom_kills, why_killed
from tare.runners.model import SERVICE_OUTPUT_BYTES, Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.runners.images.image import Image
    from tare.runners.model import Place, Service, Vantage

RATE_HZ = 100
"""Samples per second of each process."""
EMULATED_RATE_HZ = 20
"""Samples per second where py-spy itself runs on an emulated CPU."""
IN_IMAGE = "/usr/share/tare/py-spy"
"""Path of py-spy in the image; it is a static program."""
MOST_SECONDS = 600
"""Seconds after which py-spy ends by itself, if nobody else ends it."""

_ENDING_SECONDS = 30.0
_PAUSE_SECONDS = 0.02
_DOCUMENT_BYTES = 64 << 20
_NOTHING = "No python processes found"
_SHORT = say("profile.nothing", "no Python process was seen running; one has to run for 0.3 s or more")
_ATTACHING = say("profile.attaching", "attaching needs root, or ptrace_scope 0")


def py_spy() -> Path:
    """Find py-spy on this host.

    Raises:
        TareError: it is not installed.
    """
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if not found:
        raise TareError(
            say("profile.no_py_spy", "py-spy is not installed; it comes with `pip install tarebench`")
        )
    return Path(found).resolve()


def words(program: str, pid: int, output: str, rate: int) -> tuple[str, ...]:
    """Make py-spy's command line: sample a process and all below it, by function, into a file of speedscope's format."""
    return (
        program, "record", "--subprocesses", "--function", "--pid", str(pid), "--rate", str(rate),
        "--duration", str(MOST_SECONDS), "--format", "speedscope", "--output", output,
    )  # fmt: skip


class Sampled(msgspec.Struct):
    """Everything that py-spy wrote about one place."""

    rate_hz: int
    inside: bool
    """py-spy ran in the place."""
    documents: list[bytes] = msgspec.field(default_factory=list)
    """Documents in speedscope's format."""
    trouble: str = ""
    """Reason why py-spy failed the last time, other than that there was nothing to sample."""


class Sampler(Protocol):
    """Samples one place from its start until it is stopped."""

    sampled: Sampled
    """Everything that was sampled; complete when it is stopped."""

    def stop(self) -> None:
        """End sampling; idempotent. Raises :class:`TareError` if what was sampled is lost."""


@contextmanager
def sampling(place: Place, image: Image, *, emulated: bool) -> Iterator[Sampler]:
    """Sample a place until the sampler is stopped or the ``with`` block ends.

    Raises:
        TareError: py-spy is missing, or what it sampled is lost.
    """
    sampled = Sampled(EMULATED_RATE_HZ if emulated else RATE_HZ, is_sampled_inside(place.vantage))
    sampler = _Inside(place, image, sampled) if sampled.inside else _Outside(place, sampled)
    try:
        yield sampler
    except BaseException:
        with suppress(TareError, OSError):  # the error of the block explains more
            sampler.stop()
        raise
    sampler.stop()


def is_sampled_inside(vantage: Vantage, proc: Path = Path("/proc")) -> bool:
    """Tell whether py-spy has to run in the place: the host does not see its processes, or this user may not look into them.

    The latter are those of another user's daemon, above all a Docker that an ordinary user may ask, but that runs as root.

    Raises:
        TareError: this user may not look into them, and in the place they are not below its first process.
    """
    if not vantage.shared_with_host:
        return True
    pid = vantage.agent_pid or vantage.top_pid
    try:
        (proc / f"{pid}/ns/pid").readlink()
    except PermissionError as error:
        if own_pid(pid, proc) == 1:
            return True
        raise TareError(say(
            "profile.other_user",
            "the processes of the place belong to another user (pid {pid}), and py-spy may not read them: run as root",
            pid=pid,
        )) from error  # fmt: skip
    return False


class _Outside:
    """py-spy on the host."""

    def __init__(self, place: Place, sampled: Sampled) -> None:
        self._program, self.sampled = str(py_spy()), sampled
        pid = place.vantage.agent_pid or place.vantage.top_pid
        self._front = entering(pid)
        self._pid = own_pid(pid) if self._front else pid
        if self._front:
            self._program = IN_IMAGE
        self._stopping = threading.Event()
        self._running: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._repeat, name="tare-sampling", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End py-spy by the signal at which it writes what it has."""
        self._stopping.set()
        with self._lock:
            self._signal(signal.SIGINT)
        self._thread.join(_ENDING_SECONDS)
        with self._lock:
            if self._signal(signal.SIGKILL):
                self.sampled.trouble = say(
                    "profile.endless",
                    "py-spy did not end within {seconds} s",
                    seconds=f"{_ENDING_SECONDS:.0f}",
                )
        self._thread.join()

    def _signal(self, number: signal.Signals) -> bool:
        """Send a signal to py-spy and what started it; return whether it was running."""
        if self._running is None:
            return False
        try:
            os.killpg(self._running.pid, number)
        except ProcessLookupError:  # it has just ended
            return False
        return True

    def _repeat(self) -> None:
        with scratch_folder("profile") as folder:
            while not self._stopping.is_set():
                self._once(folder)
                self._stopping.wait(_PAUSE_SECONDS)

    def _once(self, folder: Path) -> None:
        log = folder / "log"
        killed_before = oom_kills()
        with log.open("wb") as said, tempfile.TemporaryFile(dir=folder) as output:
            with self._lock:
                if self._stopping.is_set():
                    return
                try:
                    self._running = self._started(said.fileno(), output.fileno())
                except OSError as error:
                    self.sampled.trouble = say(
                        "profile.not_run", "py-spy could not be run: {error}", error=error
                    )
                    self._stopping.set()
                    return
            code = self._running.wait()
            with self._lock:
                self._running = None
            output.seek(0)
            if document := output.read():
                self.sampled.documents.append(document)
        text = log.read_text("utf-8", "replace")
        if code and not self._stopping.is_set():
            self.sampled.trouble = trouble(code, text, killed_before) or self.sampled.trouble

    def _started(self, said: int, output: int) -> subprocess.Popen[bytes]:
        # py-spy takes SIGINT for itself, while nsenter would end by it. An agent that is the first process of its place ends
        # services by sending SIGTERM to all processes there.
        shell = ("/bin/sh", "-c", 'trap "" INT TERM; exec "$@"', "sh")
        spy = words(self._program, self._pid, f"/proc/self/fd/{output}", RATE_HZ)
        return subprocess.Popen(
            [*shell, *self._front, *spy],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, pass_fds=(output,), start_new_session=True,
            env=os.environ | {"RUST_BACKTRACE": "0"},  # its last line is then the reason
        )  # fmt: skip


def entering(pid: int, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Give the beginning of a command line that enters the namespaces of a process; empty if it has this one's process ids.

    Raises:
        TareError: there is no program for it.
    """
    if _same_namespace(proc, pid, "pid"):
        return ()
    program = shutil.which("nsenter")
    if program is None:
        raise TareError(say(
            "profile.no_nsenter", "nsenter is missing, which py-spy needs to look into the place; it comes with util-linux",
        ))  # fmt: skip
    own_user = os.geteuid() != 0 and not _same_namespace(proc, pid, "user")
    user = ("--user", "--preserve-credentials") if own_user else ()
    return (program, "--target", str(pid), *user, "--mount", "--pid", "--")


def _same_namespace(proc: Path, pid: int, kind: str) -> bool:
    return (proc / f"{pid}/ns/{kind}").readlink() == (proc / f"self/ns/{kind}").readlink()


def own_pid(pid: int, proc: Path = Path("/proc")) -> int:
    """Find the id of a process in its own namespace (proc_pid_status(5))."""
    for line in (proc / f"{pid}/status").read_text("ascii", "replace").splitlines():
        name, _, ids = line.partition(":")
        if name == "NSpid":
            return int(ids.split()[-1])
    return pid


def trouble(code: int, said: str, killed_before: int | None) -> str:
    """Say why py-spy failed; empty if it merely found no Python process.

    Args:
        code: its exit status, or minus the signal that ended it; not 0.
        said: its output.
        killed_before: :func:`tare.runners.host.endings.oom_kills` from before its start.
    """
    if code < 0:
        return say(
            "profile.ended", "py-spy {ended}{why}", ended=how_ended(code), why=why_killed(code, killed_before)
        )
    if _NOTHING.lower() in said.lower() and "denied" not in said.lower():
        return ""
    return listed((say("profile.failed", "py-spy failed: {told}", told=last_words(said, code)), _ATTACHING))


def why_nothing(proc: Path = Path("/proc")) -> str:
    """Say why py-spy can have seen no Python process although it ran."""
    try:
        scope = int((proc / "sys/kernel/yama/ptrace_scope").read_text("ascii"))
    except (OSError, ValueError):
        scope = 0
    if scope and os.geteuid() != 0:
        return say(
            "profile.scope",
            "{nothing}, and kernel.yama.ptrace_scope is {scope} here, which lets root alone look into processes: run as root, or set it to 0",
            nothing=_SHORT, scope=scope,
        )  # fmt: skip
    return _SHORT


_SERVICE = """
n=0
while [ ! -e end ]; do
    n=$((n + 1))
    {py_spy} >log 2>&1
    {busybox} usleep 20000
done
: >done
"""
_STOP = """
: >end
i=0
while [ ! -e done ] && [ $i -lt 300 ]; do
    {busybox} killall -q -INT py-spy
    i=$((i + 1))
    {busybox} usleep 100000
done
[ -e done ] || {{ echo py-spy did not end >&2; exit 1; }}
for file in *.json; do [ -e "$file" ] && {busybox} cat "$file"; done
{busybox} cat log >&2
exit 0
"""


class _Inside:
    """py-spy as a service of a place that it cannot look into from the host. The agent is its first process."""

    def __init__(self, place: Place, image: Image, sampled: Sampled) -> None:
        if "busybox" not in image.programs:
            raise TareError(say(
                "profile.no_busybox", "there is no busybox in the image, which runs py-spy in a place that the host cannot look into",
            ))  # fmt: skip
        self._place, self._image, self.sampled = place, image, sampled
        self._folder = f"{place.scratch.rstrip('/')}/.tare-profile"
        self._busybox = image.argv(place.root, "busybox")
        run_aside(
            place,
            self._job("{busybox} mkdir -p {folder}", place.scratch),
            say("profile.not_prepared", "py-spy could not be prepared"),
        )
        self._stopped = False
        self._service: Service = place.start(self._job(_SERVICE, self._folder))

    def stop(self) -> None:
        """End py-spy, and read its files by a job."""
        if self._stopped:
            return
        self._stopped = True
        result = self._place.run(self._job(_STOP, self._folder))
        self._service.stop()
        said = result.stderr.decode("utf-8", "replace")
        if result.exit_code != 0 or result.stdout_bytes > len(result.stdout):
            why = result.error or said.strip() or say("profile.too_large", "its files are too large")
            raise PlaceFailure(
                say("profile.not_read", "the profile could not be read out of the place: {why}", why=why)
            )
        self.sampled.documents += documents(result.stdout)
        if not self.sampled.documents and _NOTHING.lower() not in said.lower():
            self.sampled.trouble = say("profile.failed", "py-spy failed: {told}", told=last_words(said, 1))

    def _job(self, script: str, directory: str) -> Job:
        root = self._place.root.rstrip("/")
        spy = words(f"{root}{IN_IMAGE}", 1, "$n.json", self.sampled.rate_hz)
        filled = script.format(
            busybox=shlex.join(self._busybox),
            folder=shlex.quote(self._folder),
            py_spy=" ".join(word if word == "$n.json" else shlex.quote(word) for word in spy),
        )
        return Job(
            argv=(*self._busybox, "sh", "-c", filled),
            environ=self._image.environ(self._place.root, "busybox"),
            directory=directory,
            timeout_seconds=60.0 + _ENDING_SECONDS,
            output_limit_bytes=SERVICE_OUTPUT_BYTES if script is _SERVICE else _DOCUMENT_BYTES,
        )


def documents(text: bytes) -> list[bytes]:
    """Take JSON documents apart that follow each other.

    Raises:
        PlaceFailure: something else is between them.
    """
    decoder, rest, found = json.JSONDecoder(), text.decode("utf-8", "replace"), []
    while rest := rest.lstrip():
        try:
            _, end = decoder.raw_decode(rest)
        except ValueError as error:
            raise PlaceFailure(
                say("profile.no_json", "py-spy's file in the place is not JSON: {error}", error=error)
            ) from error
        found.append(rest[:end].encode())
        rest = rest[end:]
    return found
