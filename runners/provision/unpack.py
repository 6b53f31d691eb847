"""Unpack Debian packages and source archives without being root, and without trusting them.

``dpkg-deb -x`` would replace the links of a merged ``/usr`` (``lib → usr/lib``) by directories as soon as one package
ships ``/lib``. ``--fsys-tarfile`` gives the same archive as a stream, from which documentation, about a quarter of the
bytes, is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.host.endings import how_ended
from tare.runners.provision.paths import inside

if TYPE_CHECKING:
    from typing import IO

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Top-level folders that are links into ``usr`` (see hier(7) and Debian's usrmerge)."""

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
    """Make the top level of a root with a merged ``/usr``."""
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")


def merged(path: str) -> str:
    """Rewrite a path below the root for the merged ``/usr``, without a leading slash: ``./lib/x`` → ``usr/lib/x``."""
    parts = [part for part in PurePosixPath(path).parts if part not in {"/", "."}]
    if parts and parts[0] in MERGED:
        parts.insert(0, "usr")
    return "/".join(parts)


def unpack(package: Path, root: Path) -> None:
    """Unpack a ``.deb`` into a root made by :func:`prepare_root`.

    Raises:
        TareError: the package is damaged.
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
    # dpkg-deb may still have been running at the archive's end, and was killed then.
    if broken or child.returncode not in {0, -9}:
        raise TareError(say(
            "fetch.package_broken", "{name} is broken ({broken}); run again to fetch it anew.",
            name=package.name,
            broken=broken or say("fetch.dpkg", "dpkg-deb {ended}", ended=how_ended(child.returncode)),
        ))  # fmt: skip


def extract(archive: tarfile.TarFile, root: Path) -> None:
    """Extract a package's files, folders and links, without owners, devices and set-uid bits."""
    for member in archive:
        path = merged(member.name)
        if path and not path.startswith(LEFT_OUT) and ".." not in PurePosixPath(path).parts:
            _extract(archive, member, root, path, merged(member.linkname))


def unpack_source(archive: Path, to: Path) -> None:
    """Unpack an upstream source archive into a new folder, without the archive's top folder.

    Files, folders and links are made as by :func:`extract`. tarfile's own filters came with Python 3.11.4.

    Raises:
        TareError: the archive is damaged, or has devices, pipes, or names or links that lead out of it.
    """
    to.mkdir(parents=True)
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                path = member.name.partition("/")[2]
                if PurePosixPath(member.name).is_absolute() or ".." in PurePosixPath(path).parts:
                    raise TareError(say(
                        "fetch.outside", "{name} has a member outside of it: {name2!r}",
                        name=archive.name, name2=member.name,
                    ))  # fmt: skip
                if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
                    raise TareError(say(
                        "fetch.kind", "{name} has a member of an unknown kind: {name2!r}",
                        name=archive.name, name2=member.name,
                    ))  # fmt: skip
                if path:
                    _extract(tar, member, to, path, member.linkname.partition("/")[2])
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise TareError(say(
            "fetch.damaged", "{name} is damaged ({error}); run again to fetch it anew.",
            name=archive.name, error=error,
        )) from error  # fmt: skip
    top = to.resolve()
    for folder, names, files in os.walk(to):
        for name in (*names, *files):
            link = Path(folder, name)
            if link.is_symlink() and not Path(os.path.realpath(link)).is_relative_to(top):
                raise TareError(say(
                    "fetch.leads_out", "{name} has a member that leads out of it: {name2!r}",
                    name=archive.name, name2=name,
                ))  # fmt: skip


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, path: str, linked: str) -> None:
    """Extract one member to ``path`` below ``root``; a hard link's target is ``linked`` below ``root``."""
    # Links are followed as they will be when this is the root: a link to /etc must not lead into the host's.
    folder, _, name = path.rpartition("/")
    target = Path(f"{root}{inside(root, folder)}", name)
    if member.isdir():
        if not target.is_symlink():
            target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.is_file():
        target.unlink()
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        os.link(f"{root}{inside(root, linked)}", target)
    elif member.isreg():
        content = archive.extractfile(member)
        if content is None:
            return
        with target.open("wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        target.chmod(0o755 if member.mode & 0o111 else 0o644)
