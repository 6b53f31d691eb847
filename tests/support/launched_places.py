"""Make a small image and runners for the tests of bare and namespaces, and list what a run left on the host."""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tare.runners import cleanup as leftovers
from tare.runners.bare import Bare
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.context import RunContext, Runner
from tare.runners.images.build import AGENT_SOURCE
from tare.runners.images.image import Image
from tare.runners.images.layers import layer_of
from tare.runners.launcher.client import Launcher
from tare.runners.model import Limits, Place
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache

RUNNERS: dict[str, Callable[[RunContext], Runner]] = {"bare": Bare, "namespaces": Namespaces}


def make_image(folder: Path) -> Image:
    """Make an image of the agent and a program that misbehaves on request."""
    tree = folder / "tree"
    tree.mkdir(mode=0o755)
    for name, source in (
        ("tare-agent", AGENT_SOURCE),
        ("runaway", Path(__file__).with_name("runaway.c")),
    ):
        shutil.copy(build(source, default_cache()), tree / name)
    return Image(key="test", tree=tree, layers=(layer_of("test", tree),), programs={}, libraries={})


@contextlib.contextmanager
def run_context(run: str = "") -> Iterator[tuple[RunContext, Image]]:
    """Give a registered run with its launcher, and an image."""
    run = run or f"test-{uuid.uuid4().hex[:8]}"
    cache = default_cache()
    workdir = Path("/var/tmp") / f"tare-{run}"
    with leftovers.register(cache, run, workdir), Launcher.start(cache) as launcher:
        yield RunContext(run, workdir, cache, launcher), make_image(workdir)


def touched_folders(workdir: Path) -> list[str]:
    """List the folders of places that a place which is closed has left with something in them.

    A runner keeps those in which nothing was done for its next places.
    """
    return sorted(
        folder.name
        for folder in (workdir / "places").iterdir()
        if [one.name for one in folder.iterdir()] != ["scratch"] or any((folder / "scratch").iterdir())
    )


@contextlib.contextmanager
def runner_for(name: str, limits: Limits, run: str = "") -> Iterator[Any]:
    """Give a prepared runner, whose inside tests may look at; skip the test where it does not work."""
    with run_context(run) as (context, image):
        runner = RUNNERS[name](context)
        probe = runner.probe()
        if not probe.ok:
            import pytest  # noqa: PLC0415

            pytest.skip(f"{name}: {probe.reason}; {probe.remedy}")
        runner.prepare(image, limits)
        try:
            yield runner
        finally:
            runner.close()


def program(place: Place) -> str:
    """Give the misbehaving program's path as jobs see it."""
    return f"{place.root.rstrip('/')}/runaway"


Seen = TypeVar("Seen")

State = dict[str, list[str]]
"""Kind of thing → those of a run that are on the host."""


def host_state(run: str) -> State:
    """List everything that a run could leave: processes, mounts, cgroups, net namespaces, files."""
    return {
        "processes": sorted(_processes(run)),
        "mounts": [
            line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"tare-{run}" in line
        ],
        "cgroups": [path for path, _, _ in os.walk("/sys/fs/cgroup") if path.endswith(f"tare-{run}")],
        "namespaces": sorted(_net_namespaces(run)),
        "files": [
            str(path)
            for folder in ("/var/tmp", "/tmp", "/run/netns")
            for path in Path(folder).glob(f"*{run}*")
        ],
        "registered": [str(path) for path in (default_cache() / "live").glob(f"{run}*")],
    }


EMPTY: State = {"processes": [], "mounts": [], "cgroups": [], "namespaces": [], "files": [], "registered": []}


_SETTLING_SECONDS = 10.0


def settled_state(run: str) -> State:
    """List it once it stays empty, or after ten seconds: the kernel reaps and unmounts asynchronously."""
    return _settled(lambda: host_state(run), EMPTY)


def settled_processes(run: str, expected: list[str]) -> list[str]:
    """List a run's processes once they are those that may stay, or after ten seconds. The run itself may go on."""
    return _settled(lambda: sorted(_processes(run)), expected)


def _settled(look: Callable[[], Seen], expected: Seen) -> Seen:
    """Return what was seen last: what is expected, twice in a row, or what there is after ten seconds.

    One look may miss a process: while it executes another program, its environment is hidden for a moment.
    """
    deadline, times = time.monotonic() + _SETTLING_SECONDS, 0
    while True:
        seen = look()
        times = times + 1 if seen == expected else 0
        if times == 2 or (not times and time.monotonic() > deadline):
            return seen
        time.sleep(0.01 if times else 0.05)


def _processes(run: str) -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if f"TARE_RUN={run}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    yield f"{entry.name} {(entry / 'comm').read_text(errors='replace').strip()}"


def _net_namespaces(run: str) -> Iterator[str]:
    """Find the net namespaces, other than ours, in which a process of the run is."""
    ours = Path("/proc/self/ns/net").readlink()
    for line in _processes(run):
        with contextlib.suppress(OSError):
            found = Path(f"/proc/{line.split()[0]}/ns/net").readlink()
            if found != ours:
                yield str(found)
