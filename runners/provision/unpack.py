"""Unpacks Debian packages into a root without being root.

``dpkg-deb -x`` is not used as it is: it replaces the links of a merged ``/usr`` (``lib → usr/lib``) by
directories as soon as one package still ships ``/lib``. Its ``--fsys-tarfile`` gives the same archive as a
stream, which also lets us leave out documentation, about a quarter of the bytes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from tare.runners.errors import TareError
from tare.runners.provision.elf import inside

if TYPE_CHECKING:
    from collections.abc import Iterable

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Top-level directories that are links into ``usr`` (see hier(7) and Debian's usrmerge)."""

LEFT_OUT = (
    "usr/share/doc/",
    "usr/share/man/",
    "usr/share/info/",
    "usr/share/locale/",
    "usr/share/lintian/",
    "usr/share/bug/",
    "usr/share/applications/",
    "usr/share/icons/",
)


def prepare_root(root: Path) -> None:
    """Lay out the top level of a merged ``/usr``."""
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")


def merged(path: str) -> str:
    """A path below the root as the merged ``/usr`` has it: ``./lib/x`` → ``usr/lib/x``. No leading slash."""
    parts = [part for part in PurePosixPath(path).parts if part not in {"/", "."}]
    if parts and parts[0] in MERGED:
        parts.insert(0, "usr")
    return "/".join(parts)


def unpack(package: Path, root: Path) -> None:
    """Unpack a ``.deb`` into a root made by :func:`prepare_root`.

    Raises:
        TareError: the package is broken.
        OSError: the disk is full.
    """
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as child:
        stream: IO[bytes] | None = child.stdout
        broken = ""
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                extract(archive, root)
        except tarfile.TarError as error:
            broken = str(error)
        finally:
            child.kill()
    # Killed by us after the archive's end is as good as its own exit.
    if broken or child.returncode not in {0, -9}:
        raise TareError(
            f"{package.name} is broken ({broken or f'dpkg-deb: {child.returncode}'}); run again to fetch it anew."
        )


def extract(archive: Iterable[tarfile.TarInfo], root: Path) -> None:
    """Extract members: files, folders and links, without owners, devices and set-uid bits."""
    for member in archive:
        path = merged(member.name)
        if not path or path.startswith(LEFT_OUT) or ".." in PurePosixPath(path).parts:
            continue
        # Links are followed as they will be when this is the root: one to /etc must not lead into the host's.
        folder, _, name = path.rpartition("/")
        target = Path(f"{root}{inside(root, folder)}", name)
        if member.isdir():
            if not target.is_symlink():
                target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() or target.is_file():
            target.unlink()
        if member.issym():
            target.symlink_to(member.linkname)
        elif member.islnk():
            os.link(f"{root}{inside(root, merged(member.linkname))}", target)
        elif member.isreg() and isinstance(archive, tarfile.TarFile):
            content = archive.extractfile(member)
            if content is None:
                continue
            with target.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            target.chmod(0o755 if member.mode & 0o111 else 0o644)
