"""The image: the one file tree all places run from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tare.runners.errors import TareError
from tare.runners.provision.loader import loader_argv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.runners.images.layers import Layer

COMMAND = "command"
"""Name of the program that is the user's own command."""

ROOT = "\0"
"""Stands for the root in a program's arguments and environment; a real argument cannot contain it."""

AGENT = "tare-agent"


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the image and how it is run: always by its own loader, with its own libraries."""

    path: str
    """In the image, absolute; may be a link."""
    interpreter: str
    """Its loader in the image; empty for static programs."""
    library_path: tuple[str, ...]
    """Directories of its libraries in the image."""
    sha256: str
    origin: str = ""
    """``system``, ``fetched`` or ``given``."""
    version: str = ""
    arguments: tuple[str, ...] = ()
    """Always come first; :data:`ROOT` in them stands for the root."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """What this program needs beside :meth:`Image.environ`, with :data:`ROOT`."""
    directory: str = ""
    """In the image, where it wants to be started; empty: anywhere."""


@dataclass(frozen=True, slots=True)
class Image:
    """A built image. Its tree is for reading: the same files are other images' too."""

    key: str
    """Hash of its layers' digests, in their order."""
    tree: Path
    """The layers unpacked over each other."""
    layers: tuple[Layer, ...]
    programs: Mapping[str, Program]
    libraries: Mapping[str, str]
    """Path in the image → sha256, for all executables and shared libraries."""
    python_home: str = ""
    """``PYTHONHOME`` in the image, with :data:`ROOT`; empty without Python."""
    carried: tuple[str, ...] = ()
    """Host files that the user's command brought along because its arguments named them."""
    notes: tuple[str, ...] = ()
    """What was left out of the image, and why, for people."""

    @property
    def agent(self) -> Path:
        """The agent on the host; inside it is ``/tare-agent``."""
        return self.tree / AGENT

    def argv(self, root: str, program: str, *arguments: str) -> tuple[str, ...]:
        """The command line that runs a program where the image's tree is at ``root``.

        The same form everywhere, so that bare metal runs the very bytes that the image carries, loader and C
        library included.

        Raises:
            TareError: the image has no such program.
        """
        found = self._program(program)
        front = loader_argv(root, found.interpreter, found.library_path) if found.interpreter else ()
        return (*front, *self._rest(root, found), *arguments)

    def direct_argv(self, root: str, program: str, *arguments: str) -> tuple[str, ...]:
        """As :meth:`argv`, but leaves the loader to the kernel.

        ``/proc/PID/exe`` is then the program itself, which profilers need. Only for programs of the system's own: the
        others find no loader. On bare metal it then runs with the *host's* loader and libraries.
        """
        return (*self._rest(root, self._program(program)), *arguments)

    def environ(self, root: str, program: str = "") -> dict[str, str]:
        """The environment for jobs, complete; ``program`` adds what that one needs."""
        base = root.rstrip("/")
        environ = {
            "PATH": ":".join(f"{base}/usr/{name}" for name in ("local/bin", "bin", "sbin")),
            "HOME": "/tmp",  # noqa: S108 - a fixed name in the place, not a file that we make
            "LC_ALL": "C.UTF-8",
            # glibc would map the host's, on bare metal. There are no character set modules in the image.
            "LOCPATH": f"{base}/usr/lib/locale",
            "GCONV_PATH": f"{base}/usr/lib/gconv",
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
        """Where a job of that program starts: in the scratch folder, unless the image says otherwise."""
        wanted = self._program(program).directory
        return f"{root.rstrip('/')}{wanted}" if wanted else scratch

    def record(self) -> dict[str, Any]:
        """For the manifest: which bytes were run."""
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
            raise TareError(
                f"The image has no program {name}; it has {', '.join(sorted(self.programs)) or 'none'}."
            )
        return self.programs[name]

    def _rest(self, root: str, program: Program) -> tuple[str, ...]:
        base = root.rstrip("/")
        return (f"{base}{program.path}", *(argument.replace(ROOT, base) for argument in program.arguments))


def image_key(layers: tuple[Layer, ...]) -> str:
    """The content's hash."""
    return hashlib.sha256("\n".join(f"{layer.name} {layer.digest}" for layer in layers).encode()).hexdigest()
