"""List what is in a Docker daemon, and what a private daemon could leave on the host."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tare.runners.containers.engines.api import DockerApi
from tare.runners.provision.tools import Tool


def traces(name: str) -> Iterator[str]:
    """Find processes, cgroups, mounts and files that carry the name."""
    yield from _processes(name)
    for folder, _, _ in os.walk("/sys/fs/cgroup"):
        if f"/{name}" in folder:
            yield folder
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if name in line:
            yield line
    for folder in ("/run", "/var/lib", "/var/tmp", "/etc"):
        yield from (str(path) for path in Path(folder).glob(f"*{name}*"))


def _processes(name: str) -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if f"TARE_DOCKER={name}".encode() in (entry / "environ").read_bytes():
                    yield f"{entry.name} {(entry / 'comm').read_text().strip()}"


def belongings(api: DockerApi, prefix: str = "", *, images: bool = True) -> list[str]:
    """List containers, images, volumes and networks whose names begin so, sorted."""
    found = [
        f"container {name.lstrip('/')}"
        for each in api._json("GET", "/containers/json", {"all": "1"})
        for name in each["Names"]
    ]
    found += [f"volume {each['Name']}" for each in api._json("GET", "/volumes")["Volumes"] or ()]
    found += [f"network {each['Name']}" for each in api._json("GET", "/networks")]
    if images:
        found += [
            f"image {tag}"
            for each in api._json("GET", "/images/json", {"all": "1"})
            for tag in each["RepoTags"] or [each["Id"]]
        ]
    return sorted(each for each in found if each.split(" ", 1)[1].startswith(prefix))


@contextlib.contextmanager
def user_things(api: DockerApi, client: Tool, tmp_path: Path) -> Iterator[None]:
    """Make an image, a stopped container, a volume and a network as a user would, and remove them in the end."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_text("mine")
    subprocess.run(["tar", "-C", tmp_path / "tree", "-cf", tmp_path / "tree.tar", "."], check=True)

    def docker(*arguments: str) -> None:
        subprocess.run(
            client.argv("--host", f"unix://{api.path}", *arguments),
            env=os.environ | dict(client.environ), check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    docker("import", str(tmp_path / "tree.tar"), "mine:1")
    docker("volume", "create", "mine")
    docker("network", "create", "--internal", "mine")
    docker("create", "--name", "mine", "--volume", "mine:/mine", "mine:1", "/file")
    try:
        yield
    finally:
        docker("rm", "--force", "mine")
        docker("network", "rm", "mine")
        docker("volume", "rm", "mine")
        docker("image", "rm", "mine:1")


def reaches(pid: int, address: str) -> bool:
    """Tell whether a server of the host at that address is reached from the net namespace of a process."""
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        shell = ["bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}"]
        same = Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
        # Only root may enter a net namespace, be it one's own.
        command = shell if same else ["nsenter", "--target", str(pid), "--net", *shell]
        return subprocess.run(command, check=False, timeout=20).returncode == 0
