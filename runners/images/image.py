"""Define the image: the one file tree that all places run from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.provision.loader import loader_argv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.runners.images.layers import Layer

COMMAND = "command"
"""Name of the program for the user's own command."""

ROOT = "\0"
"""Placeholder for the root in a program's arguments and environment; a real argument cannot contain it."""

AGENT = "tare-agent"
"""Path of the agent in the image."""


class Program(msgspec.Struct, frozen=True):
    """A program of the image, which is always run by its own loader with its own libraries."""

    path: str
    """Absolute path in the image; may be a link."""
    interpreter: str
    """Path of its loader in the image; empty for static programs."""
    library_path: tuple[str, ...]
    """Directories of its libraries in the image."""
    sha256: str
    origin: str = ""
    """Source of the program: ``system``, ``fetched`` or ``given``."""
    version: str = ""
    arguments: tuple[str, ...] = ()
    """Arguments that always come first, with :data:`ROOT`."""
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Variables that it needs in addition to :meth:`Image.environ`, with :data:`ROOT`."""
    directory: str = ""
    """Working directory in the image; empty: any."""


class Image(msgspec.Struct, frozen=True):
    """A built image. Its tree must not be written to: other images share its files."""

    key: str
    """Hash of its layers' digests, in their order."""
    tree: Path
    """The layers unpacked over each other."""
    layers: tuple[Layer, ...]
    programs: Mapping[str, Program]
    libraries: Mapping[str, str]
    """Path in the image → SHA-256 of all executables and shared libraries."""
    python_home: str = ""
    """``PYTHONHOME`` in the image, with :data:`ROOT`; empty without Python."""
    carried: tuple[str, ...] = ()
    """Host files that the user's command brought along because its arguments named them."""
    notes: tuple[str, ...] = ()
    """Remarks on what was left out of the image, and why, for people."""

    @property
    def agent(self) -> Path:
        """Path of the agent on the host; in places it is ``/tare-agent``."""
        return self.tree / AGENT

    def argv(self, root: str, program: str, *arguments: str) -> tuple[str, ...]:
        """Give the command line that runs a program, for the image's tree at ``root``.

        It has the same form everywhere, so that bare metal runs the very bytes of the image, loader and C library
        included.

        Raises:
            TareError: the image has no such program.
        """
        found = self._program(program)
        front = loader_argv(root, found.interpreter, found.library_path) if found.interpreter else ()
        return (*front, *self._rest(root, found), *arguments)

    def without_loader(self, root: str, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Take the loader off a command line of :meth:`argv`; the kernel will then look it up.

        So ``/proc/PID/exe`` is the program itself, as profilers need it. This works only for the system's own programs;
        others would find no loader. On bare metal the program then runs with the *host's* loader and libraries.
        """
        for program in self.programs.values():
            front = (
                loader_argv(root, program.interpreter, program.library_path) if program.interpreter else ()
            )
            if front and argv[: len(front)] == front:
                return argv[len(front) :]
        return argv

    def environ(self, root: str, program: str = "") -> dict[str, str]:
        """Give the complete environment for jobs, with what ``program`` needs."""
        base = root.rstrip("/")
        environ = {
            "PATH": ":".join(f"{base}/usr/{name}" for name in ("local/bin", "bin", "sbin")),
            "HOME": "/tmp",  # noqa: S108 - a fixed name in the place, not a file that we make
            "LC_ALL": "C.UTF-8",
            # On bare metal glibc would map the host's. GCONV_PATH must stay unset: with it glibc leaves its cache of character
            # sets alone and parses the host's list, which costs each program on bare metal a millisecond.
            "LOCPATH": f"{base}/usr/lib/locale",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
        }
        if self.python_home:
            environ["PYTHONHOME"] = self.python_home.replace(ROOT, base)
        if program:
            environ |= {
                name: value.replace(ROOT, base) for name, value in self._program(program).environ.items()
            }
        return environ

    def directory(self, root: str, program: str, scratch: str) -> str:
        """Give the working directory for a program's job: the scratch folder, unless the image sets one."""
        wanted = self._program(program).directory
        return f"{root.rstrip('/')}{wanted}" if wanted else scratch

    def record(self) -> dict[str, Any]:
        """Describe the image for the manifest: which bytes were run."""
        return {
            "key": self.key,
            "layers": {
                layer.name: {"digest": layer.digest, "size_bytes": layer.size_bytes, "files": layer.files}
                for layer in self.layers
            },
            "programs": {
                name: {
                    "path": each.path,
                    "sha256": each.sha256,
                    "origin": each.origin,
                    "version": each.version,
                }
                for name, each in sorted(self.programs.items())
            },
            "libraries": dict(sorted(self.libraries.items())),
            "carried": list(self.carried),
            "notes": list(self.notes),
        }

    def _program(self, name: str) -> Program:
        if name not in self.programs:
            raise TareError(say(
                "image.no_program", "The image has no program {name}; it has {names}.",
                name=name, names=", ".join(sorted(self.programs)) or "none",
            ))  # fmt: skip
        return self.programs[name]

    def _rest(self, root: str, program: Program) -> tuple[str, ...]:
        base = root.rstrip("/")
        return (f"{base}{program.path}", *(argument.replace(ROOT, base) for argument in program.arguments))


def image_key(layers: tuple[Layer, ...]) -> str:
    """Hash the names and digests of the layers."""
    return hashlib.sha256("\n".join(f"{layer.name} {layer.digest}" for layer in layers).encode()).hexdigest()
