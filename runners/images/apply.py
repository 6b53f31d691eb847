"""Unpack an external image's layers over each other, as engines do, without trusting them.

By OCI's image-spec (``layer.md``), a whiteout ``.wh.NAME`` removes the file of lower layers, and ``.wh..wh..opq``
everything they have in a folder. Nothing outside of the tree is ever written, linked to or removed, whatever names and
links say: each folder of a path is resolved as a process would that has the tree as its root.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tarfile
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.images.tar_reading import DAMAGE, BoundedInfo, members
from tare.runners.provision.paths import inside

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_COPY_BYTES = 1 << 20

DEEPEST = 200
"""Levels of folders; whatever walks the tree later does so by recursion, and a path has 4096 bytes at most."""

_LARGEST_ID = (1 << 32) - 2
"""Largest number of a user or group; the one above means *leave as it is* to chown(2)."""

_IMPOSSIBLE = frozenset(
    {errno.ENAMETOOLONG, errno.EMLINK, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST}
)
"""Errors that come from what the image has, and not from the disk that it is unpacked to."""


class Applier(msgspec.Struct):
    """One tree, to which layers are applied, the lowest first."""

    tree: Path
    skipped: Counter[str] = msgspec.field(default_factory=Counter)
    """Kind of things that were left out → their number."""
    _folder_modes: dict[Path, int] = msgspec.field(default_factory=dict)

    def apply(self, tar: IO[bytes], name: str) -> None:
        """Apply one layer's uncompressed tar; ``name`` is for errors.

        Raises:
            TareError: it is cut off or no tar, or would write outside of the tree.
            OSError: the disk is full.
        """
        fresh: set[Path] = set()
        try:
            with tarfile.open(fileobj=tar, mode="r|", tarinfo=BoundedInfo) as archive:
                for member in members(archive):
                    self._member(archive, member, fresh)
        except DAMAGE as error:
            raise TareError(say(
                "image.no_tar", "{name} is not a complete tar archive ({error}). The image is damaged: fetch or save it again.",
                name=name, error=error,
            )) from error  # fmt: skip
        except OSError as error:
            if error.errno in _IMPOSSIBLE:
                raise TareError(say(
                    "image.not_made", "{name} has a file that cannot be made here ({strerror}); it is not used.",
                    name=name, strerror=error.strerror,
                )) from error  # fmt: skip
            raise

    def end(self) -> None:
        """Set the modes of folders, which might have locked us out before."""
        for folder, mode in self._folder_modes.items():
            if folder.is_dir() and not folder.is_symlink():
                folder.chmod(mode if os.getuid() == 0 else mode | stat.S_IRWXU)

    def _member(self, archive: tarfile.TarFile, member: tarfile.TarInfo, fresh: set[Path]) -> None:
        parts = [part for part in PurePosixPath(member.name).parts if part not in {"/", "."}]
        if ".." in parts:
            raise TareError(say(
                "image.outside", "the image wants to write to {name!r}, outside of itself; it is not used.",
                name=member.name,
            ))  # fmt: skip
        if not parts:
            self._finish(member, self.tree)
            return
        folder = self._folder(parts[:-1])
        last = parts[-1]
        if last == _OPAQUE:
            for child in sorted(folder.iterdir()):
                self._remove_lower(child, fresh)
            return
        if last.startswith(_WHITEOUT):
            hidden = last.removeprefix(_WHITEOUT)
            if hidden in {"", ".", ".."}:
                raise TareError(say(
                    "image.no_whiteout", "the image wants to remove {name!r}, which is no name; it is not used.",
                    name=member.name,
                ))  # fmt: skip
            self._remove_lower(folder / hidden, fresh)
            return
        target = folder / last
        if self._make(archive, member, target):
            fresh.add(target)
            self._finish(member, target)

    def _folder(self, parts: list[str]) -> Path:
        """Resolve a path's folder inside the tree, and make it if no layer has it."""
        try:
            real = inside(self.tree, "/".join(parts))
            if real.count("/") > DEEPEST:
                raise TareError(say(
                    "image.deep", "the image has folders more than {deepest} levels deep; it is not used.",
                    deepest=DEEPEST,
                ))  # fmt: skip
            folder = Path(f"{self.tree}{real}")
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, OSError) as error:
            if isinstance(error, FileExistsError | NotADirectoryError) or error.errno == 40:
                raise TareError(say(
                    "image.below_file", "the image has files below {parts!r}, which is not a folder in it; it is not used.",
                    parts="/".join(parts),
                )) from error  # fmt: skip
            raise
        return folder

    def _make(self, archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> bool:
        """Make a file, folder or link; return whether it was made."""
        if member.isdir():
            if target.is_symlink() or not target.is_dir():
                _remove(target)
                target.mkdir()
            return True
        if not (member.isreg() or member.issym() or member.islnk()):
            kind = "devices" if member.isdev() and not member.isfifo() else "fifos and unknown kinds of files"
            self.skipped[kind] += 1
            return False
        if member.islnk():
            source = Path(f"{self.tree}{inside(self.tree, str(PurePosixPath(member.linkname).parent))}")
            source /= PurePosixPath(member.linkname).name
            if source == target:
                return True
            _remove(target)
            try:
                os.link(source, target, follow_symlinks=False)
            except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
                raise TareError(say(
                    "image.link", "the image links {name!r} to {linkname!r}, which is not in it; it is not used.",
                    name=member.name, linkname=member.linkname,
                )) from error  # fmt: skip
            return True
        _remove(target)
        if member.issym():
            target.symlink_to(member.linkname)
            return True
        content = archive.extractfile(member)
        with target.open("xb") as file:
            if content is not None:
                shutil.copyfileobj(content, file, _COPY_BYTES)
        if target.stat().st_size != member.size:
            raise TareError(say(
                "image.ends_early", "{name} ends early. The image is damaged: fetch or save it again.",
                name=member.name,
            ))  # fmt: skip
        return True

    def _finish(self, member: tarfile.TarInfo, target: Path) -> None:
        """Set owner, mode and time; a hard link has its target's."""
        if member.islnk():
            return
        if not (0 <= member.uid <= _LARGEST_ID and 0 <= member.gid <= _LARGEST_ID):
            raise TareError(say(
                "image.owner", "the image gives {name!r} to user {uid} and group {gid}, which is impossible; it is not used.",
                name=member.name, uid=member.uid, gid=member.gid,
            ))  # fmt: skip
        if os.getuid() == 0:
            os.lchown(target, member.uid, member.gid)
        elif (member.uid, member.gid) != (0, 0):
            self.skipped["owners other than root (only root can keep them)"] += 1
        if any(key.startswith("SCHILY.xattr.") for key in member.pax_headers):
            self.skipped["extended attributes"] += 1
        mode = member.mode & 0o7777
        if member.isdir():
            self._folder_modes[target] = mode
        elif member.isreg():
            target.chmod(mode if os.getuid() == 0 else mode & 0o777 | stat.S_IRUSR)
        with contextlib.suppress(OverflowError):
            os.utime(target, (member.mtime, member.mtime), follow_symlinks=False)

    def _remove_lower(self, target: Path, fresh: set[Path]) -> None:
        """Remove what lower layers brought; what this layer brought stays, even if its whiteout comes later."""
        if target in fresh:
            return
        if target.is_dir() and not target.is_symlink():
            for child in sorted(target.iterdir()):
                self._remove_lower(child, fresh)
            with contextlib.suppress(OSError):  # not empty: something in it is this layer's
                target.rmdir()
        else:
            _remove(target)


def _remove(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
