"""Unpack an external image into the cache, lay the suite's own layers over it, and look up commands in it.

The suite's layers add the agent, mount points, and programs below ``/opt`` with a C library of their own; they replace
nothing that the image has.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.said import listed, say
from tare.runners.errors import TareError, UsageError
from tare.runners.images.apply import Applier
from tare.runners.images.command import SCRIPTS_LIMIT
from tare.runners.images.image import ROOT, Program
from tare.runners.images.layers import Layer, share
from tare.runners.images.tar_reading import DAMAGE, BoundedInfo, members
from tare.runners.provision import arch
from tare.runners.provision.cache import sha256_of
from tare.runners.provision.elf import is_elf
from tare.runners.provision.libraries import Libraries
from tare.runners.provision.paths import inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tare.runners.images.external import ExternalImage
    from tare.runners.provision.cache import Cache

_TAR = "layer.tar"
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Docker's ``PATH`` for images that have none."""
_NOT_FILES = ("/proc/", "/sys/", "/dev/")


class Unpacked(msgspec.Struct, frozen=True):
    """An external image in the cache."""

    image: ExternalImage
    layers: tuple[Layer, ...]
    tree: Path
    """Its layers unpacked over each other, without the suite's."""
    notes: tuple[str, ...]
    """Remarks for the record."""

    def has_folder(self, name: str) -> bool:
        """Tell whether it has a folder, or a link to one, so that no mount point has to be made."""
        return Path(f"{self.tree}{inside(self.tree, name)}").is_dir()


def unpack_external(image: ExternalImage, store: Cache, progress: Callable[[str], None]) -> Unpacked:
    """Store an image's layers, and unpack its tree.

    Raises:
        TareError: it is damaged, or would write outside of the tree.
    """
    layers = []
    for number, each in enumerate(image.layers):

        def keep(folder: Path, each: Any = each) -> Mapping[str, object]:
            image.store(each, folder / _TAR)
            return _counted(folder / _TAR, each.member)

        entry = store.entry("given-layers", each.diff_id, keep, private=True)
        facts = entry.facts
        tar = entry.path / _TAR
        layers.append(
            Layer(
                f"given-{number}",
                each.diff_id,
                facts["size"],
                facts["files"],
                entry.path,
                facts["tar_bytes"],
                tar,
            )
        )

    def apply(folder: Path) -> Mapping[str, object]:
        progress(say(
            "progress.unpacking", "image: unpacking {image}, {size} MB",
            image=image.title, size=f"{sum(layer.tar_bytes for layer in layers) / 1e6:.0f}",
        ))  # fmt: skip
        applier = Applier(folder)
        for layer in layers:
            assert layer.tar is not None  # noqa: S101 - made so above
            with layer.tar.open("rb") as file:
                applier.apply(file, f"{image.title}, layer {layer.digest[:19]}…")
        applier.end()
        return {"skipped": dict(applier.skipped)}

    entry = store.entry("given-trees", f"{image.key} {os.getuid() == 0}", apply, private=True)
    return Unpacked(image, tuple(layers), entry.path, tuple(_notes(image, entry.facts["skipped"])))


def _notes(image: ExternalImage, skipped: Mapping[str, int]) -> list[str]:
    left_out = [
        say("image.skipped_kind", "{count} × {kind}", count=count, kind=kind)
        for kind, count in skipped.items()
    ]
    notes = [
        say(
            "image.elsewhere",
            "the image was made elsewhere: {title}, {digest}",
            title=image.title,
            digest=image.digest,
        ),
        say(
            "image.in_place",
            "bare metal runs the image's files in place, not with the image as root: "
            "programs that open absolute paths find the host's files there",
        ),
    ]
    if left_out:
        notes.append(
            say(
                "image.skipped",
                "left out of the image made elsewhere: {kinds}",
                kinds=listed(left_out, ", "),
            )
        )
    return notes


def _counted(tar: Path, name: str) -> dict[str, object]:
    try:
        with tarfile.open(tar, "r:", tarinfo=BoundedInfo) as archive:
            sizes = [member.size for member in members(archive) if member.isreg()]
    except DAMAGE as error:
        raise TareError(say(
            "image.no_tar_short", "{name} is not a complete tar archive ({error}). Fetch or save the image again.",
            name=name, error=error,
        )) from error  # fmt: skip
    return {"size": sum(sizes), "files": len(sizes), "tar_bytes": tar.stat().st_size}


def lay_over(lower: Path, upper: Iterable[Path], tree: Path) -> None:
    """Fill ``tree`` with ``lower`` and the layers over it, by hard links where possible.

    Modes, owners and times of ``lower`` do not change.
    """
    for layer in (lower, *upper):
        for top, folders, files in os.walk(layer):
            here = Path(top)
            place = tree / here.relative_to(layer)
            for name in (*folders, *files):
                source, target = here / name, place / name
                if source.is_dir() and not source.is_symlink():
                    # Links are not followed: they might lead out of the tree.
                    if target.is_symlink() or not target.is_dir():
                        _refuse_replacing(target, tree)
                        target.mkdir()
                        _take_after(source, target)
                    continue
                _refuse_replacing(target, tree)
                share(source, target)


def _refuse_replacing(target: Path, tree: Path) -> None:
    if target.is_symlink() or target.exists():
        raise TareError(say(
            "image.taken", "the image has /{relative_to} already, where the suite's own files go.",
            relative_to=target.relative_to(tree),
        ))  # fmt: skip


def _take_after(source: Path, target: Path) -> None:
    status = source.stat()
    if os.getuid() == 0:
        os.chown(target, status.st_uid, status.st_gid)
    target.chmod(status.st_mode & 0o7777)


def command_in(image: Unpacked, words: Sequence[str]) -> Program:
    """Look up the program of a command line in the image.

    It gets the image's environment and working directory, and is run by the image's loader. The image's entry point is
    not used.

    Raises:
        UsageError: the image has no such program.
        TareError: the program cannot run here.
    """
    path = _which(image, words[0])
    arguments = [_placed(image, word) for word in words[1:]]
    for _ in range(SCRIPTS_LIMIT):
        real = _real(image, path)
        if is_elf(real):
            break
        with real.open("rb") as file:
            line = file.readline(4096)
        if not line.startswith(b"#!"):
            raise TareError(say(
                "image.no_program_within",
                "{path} in the image is neither a program (ELF) nor a script with a #! line.", path=path,
            ))  # fmt: skip
        interpreter, _, option = os.fsdecode(line[2:]).strip().partition(" ")
        front = [option.strip()] if option.strip() else []
        if PurePosixPath(interpreter).name == "env" and front:
            interpreter, front = (
                front[0].removeprefix("-S").split()[0],
                front[0].removeprefix("-S").split()[1:],
            )
        arguments = [*front, f"{ROOT}{path}", *arguments]
        path = _which(image, interpreter)
    else:
        raise TareError(say(
            "image.script_steps_within", "{words} in the image: its #! lines lead on for more than {scripts_limit} steps.",
            words=words[0], scripts_limit=SCRIPTS_LIMIT,
        ))  # fmt: skip
    libraries = Libraries(image.tree)
    machine = libraries.elf(path).machine
    if machine != arch.current().machine:
        raise TareError(say(
            "image.program_for", "{path} in the image is a program for {machine}.",
            path=path, machine=machine or say("image.another_machine", "another kind of machine"),
        ))  # fmt: skip
    if (closure := libraries.closure(path)).missing:
        raise TareError(say(
            "image.needs", "{path} in the image needs {names}, which it does not have.",
            path=path, names=", ".join(closure.missing),
        ))  # fmt: skip
    directory = image.image.directory
    return Program(
        path,
        closure.interpreter,
        closure.directories,
        sha256_of(_real(image, path)),
        "given",
        arguments=tuple(arguments),
        environ=_environ(image),
        directory=directory if directory != "/" and image.has_folder(directory) else "",
    )


def _which(image: Unpacked, name: str) -> str:
    path = image.image.environ.get("PATH") or _DEFAULT_PATH
    candidates = [name] if "/" in name else [f"{folder}/{name}" for folder in path.split(":") if folder]
    if "/" in name and not name.startswith("/"):
        candidates = [f"{image.image.directory.rstrip('/')}/{name}"]
    for candidate in candidates:
        real = _real(image, candidate)
        if real.is_file() and real.stat().st_mode & 0o111:
            return candidate
    where = (
        say("image.program_absent", "there is no such program")
        if "/" in name
        else say("image.not_on_path", "it is not on its PATH ({path})", path=path)
    )
    raise UsageError(say(
        "image.not_run", "{name} cannot be run in {name2}: {where}. The command is looked for in the image.",
        name=name, name2=image.image.path.name, where=where,
    ))  # fmt: skip


def _placed(image: Unpacked, word: str) -> str:
    """Mark an argument that names a file of the image, so that it leads there on bare metal, too."""
    if not word.startswith("/") or word.startswith(_NOT_FILES) or len(word) > 4095 or "\0" in word:
        return word
    return f"{ROOT}{word}" if word != "/" and _real(image, word).exists() else word


def _environ(image: Unpacked) -> dict[str, str]:
    environ = dict(image.image.environ)
    path = environ.get("PATH") or _DEFAULT_PATH
    environ["PATH"] = ":".join(f"{ROOT}{folder}" for folder in path.split(":") if folder.startswith("/"))
    return environ


def _real(image: Unpacked, path: str) -> Path:
    try:
        return Path(f"{image.tree}{inside(image.tree, path)}")
    except OSError as error:
        raise TareError(
            say("image.within", "{path} in the image: {strerror}.", path=path, strerror=error.strerror)
        ) from error
