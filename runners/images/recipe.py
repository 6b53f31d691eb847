"""Decide what is in each layer of an image, and how each of its programs is run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tare.results.said import say
from tare.runners.host.programs import run_quietly
from tare.runners.images.carry import HOST, Carrier
from tare.runners.images.command import carry_command
from tare.runners.images.image import AGENT, COMMAND, ROOT, Program
from tare.runners.images.layers import Items
from tare.runners.images.overlay import command_in
from tare.runners.images.python import add_library, ask
from tare.runners.provision import arch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.runners.images.external import ExternalImage
    from tare.runners.images.overlay import Unpacked
    from tare.runners.provision.tools import Provision, Tool

FETCHED_PREFIX = "/opt/tare"
"""Folder of fetched programs in the image, with a C library of their own. The host's programs keep their paths."""

HOST_PREFIX = "/opt/tare-host"
"""Folder of the host's programs in an external image, whose libraries they must not load."""

OWN_BUSYBOX = "opt/tare-host/busybox"

MOUNT_POINTS = ("proc", "sys", "dev", "run", "scratch", "root", "mnt", "var/tmp")

_ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost tare\n::1 localhost\n",
    "etc/hostname": "tare\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/resolv.conf": "",
}


class ImageContent(msgspec.Struct, frozen=True, kw_only=True):
    """The wanted content of an image."""

    programs: Sequence[str] = ()
    """Names that :meth:`Provision.tool` knows; ``python3`` brings its library along."""
    command: Sequence[str] = ()
    """The user's own command; it becomes the program ``command``."""
    versions: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    """Further commands of the user, by the name of the program that each becomes."""
    carry: Sequence[Path] = ()
    """Files and folders of the host that the commands need."""
    extra_files: Mapping[str, Path] = msgspec.field(default_factory=dict)
    """Path in the image → file of the host."""
    layers: Sequence[tuple[str, Mapping[str, Path]]] = ()
    """Further layers in their order: name → files, as in ``extra_files``."""
    external: ExternalImage | None = None
    """An external image, to lie below all else; the commands are then looked up in it."""

    def commands(self) -> dict[str, Sequence[str]]:
        """Give all commands by the names of their programs."""
        return {**({COMMAND: self.command} if self.command else {}), **self.versions}


INTERPRETER = "interpreter"
"""Name of the layer with the Python of the user's commands."""


class Recipe(msgspec.Struct):
    """The layers of an image, lowest first, and its programs; filled by its methods, in their order."""

    under: Unpacked | None
    """The external image that it lies on, if any."""
    layers: list[tuple[str, Items]] = msgspec.field(default_factory=list)
    programs: dict[str, Program] = msgspec.field(default_factory=dict)
    python_home: str = ""
    """``PYTHONHOME`` in the image; empty without Python."""
    carried: dict[str, None] = msgspec.field(default_factory=dict)
    """Host files that commands brought along because their arguments named them; a set that keeps its order."""
    notes: list[str] = msgspec.field(default_factory=list)
    """Remarks on what was left out of the image, and why, for people."""

    def add_base(self, agent: Path, content: ImageContent, provision: Provision) -> None:
        """Add the lowest layer: the agent, mount points and busybox."""
        if self.under:
            wanted = provision if "busybox" in content.programs else None
            name, items = "tare", _base_over(self.under, agent, wanted)
            self.notes += self.under.notes
        else:
            name, items = "base", _base(agent, provision, self.notes)
        self.layers.append((name, items))
        for path in ("usr/bin/busybox", OWN_BUSYBOX):
            if path in items:
                self.programs["busybox"] = _busybox(provision.tool("busybox"), f"/{path}")

    def add_tools(self, names: Sequence[str], provision: Provision) -> None:
        """Add programs with their libraries: a layer of fetched ones and one of the host's."""
        others = {"python3", "busybox", COMMAND}
        tools = [provision.tool(name) for name in dict.fromkeys(names) if name not in others]
        for layer, chosen in (
            ("tools", [tool for tool in tools if tool.origin == "fetched"]),
            ("host-tools", [tool for tool in tools if tool.origin != "fetched"]),
        ):
            if chosen:
                items, made = _tools(chosen, HOST_PREFIX if self.under else "")
                self.layers.append((layer, items))
                self.programs |= made

    def add_python(self, tool: Tool) -> None:
        """Add Python with its standard library."""
        items, self.programs["python3"], self.python_home = _python(tool)
        self.layers.append(("python", items))

    def add_files(self, content: ImageContent) -> None:
        """Add the files and layers that are given as such."""
        if content.extra_files:
            self.layers.append(("extra", _extra(content.extra_files)))
        self.layers += [(name, _extra(files)) for name, files in content.layers]

    def add_commands(self, content: ImageContent) -> None:
        """Add the user's commands; those of an external image are in it already.

        Each has a layer of its own files, over one of its interpreter. Commands that need the same share them: those that
        differ in their arguments alone, as with parameters, and all of one Python.

        Raises:
            TareError: a command cannot be carried, or is not in the image.
        """
        made_already: set[str] = set()
        for name, words in content.commands().items():
            if self.under:
                self.programs[name] = command_in(self.under, words)
                continue
            made = carry_command(words, content.carry)
            for layer, items in ((INTERPRETER, made.interpreter), (name, made.items)):
                key = items.key()
                if items and key not in made_already:
                    made_already.add(key)
                    self.layers.append((layer, items))
            self.programs[name] = made.program
            self.carried |= dict.fromkeys(made.carried)
            self.notes += [note for note in made.notes if note not in self.notes]


def _base(agent: Path, provision: Provision, notes: list[str]) -> Items:
    items = Items()
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        items.folder(f"usr/{name}")
        items.top_link(name)
    for name in MOUNT_POINTS:
        items.folder(name)
    items.folder("tmp", 0o1777)
    for path, text in _ACCOUNTS.items():
        items.text(path, text)
    items.file(AGENT, agent)
    _add_locale(items)
    busybox = provision.find("busybox")
    if busybox is None:
        notes.append(
            say("image.no_busybox", "no busybox: there are no shell and no small tools in the image")
        )
        return items
    items.file("usr/bin/busybox", busybox.path)
    for applet in _applets(busybox):
        items.link(f"usr/bin/{applet}", "usr/bin/busybox")
    return items


def _add_locale(items: Items) -> None:
    """Add what glibc reads for ``LC_ALL=C.UTF-8``, so that it does the same work in every place.

    On bare metal it finds the host's list of aliases and cache of character sets, whatever the environment says.
    """
    for part in sorted(Path("/usr/lib/locale/C.utf8").rglob("*")):
        if part.is_file():
            items.file(str(part), part)
    # The name as LC_ALL has it is tried first; each failed look-up is longest in an unpacked tree.
    items.link("usr/lib/locale/C.UTF-8", "usr/lib/locale/C.utf8")
    cache = f"/usr/lib/{arch.current().multiarch}/gconv/gconv-modules.cache"
    for name in ("/usr/share/locale/locale.alias", cache):
        if Path(name).is_file():
            items.file(name, Path(name))


def _base_over(under: Unpacked, agent: Path, provision: Provision | None) -> Items:
    """Add to an external image what a place needs: the agent and mount points; busybox if a workload needs it."""
    items = Items()
    for name in (*MOUNT_POINTS, "tmp"):
        if not under.has_folder(name):
            items.folder(name, 0o1777 if name == "tmp" else 0o755)
    items.file(AGENT, agent)
    if provision:
        items.file(OWN_BUSYBOX, provision.tool("busybox").path)
    return items


def _applets(busybox: Tool) -> list[str]:
    listed = run_quietly(busybox.argv("--list")).stdout.split()
    return sorted(name for name in listed if name != "busybox" and "/" not in name)


def _busybox(tool: Tool, path: str) -> Program:
    digest = hashlib.sha256(tool.path.read_bytes()).hexdigest()
    return Program(path, "", (), digest, tool.origin, tool.version)


def _tools(tools: Sequence[Tool], host_prefix: str) -> tuple[Items, dict[str, Program]]:
    """Make a layer of tools; those of one root share their libraries."""
    items = Items()
    programs = {}
    carriers: dict[Path, Carrier] = {}
    for tool in tools:
        carrier = carriers.setdefault(tool.root, _carrier(tool.root, len(carriers), host_prefix))
        inner = str(tool.path) if tool.root == HOST else f"/{tool.path.relative_to(tool.root)}"
        closure = carrier.program(inner)
        programs[tool.name] = Program(
            carrier.place(inner),
            closure.interpreter,
            closure.directories,
            carrier.sha256(inner),
            tool.origin,
            tool.version,
        )
    for carrier in carriers.values():
        items.update(carrier.items)
    return items, programs


def _carrier(root: Path, number: int, host_prefix: str) -> Carrier:
    if root == HOST:
        return Carrier(prefix=host_prefix)
    # A second fetched root has a C library of its own, which must not mix with the first one's.
    return Carrier(root, FETCHED_PREFIX + (f"-{number}" if number else ""))


def _python(tool: Tool) -> tuple[Items, Program, str]:
    python = ask([str(tool.path), "-I"])
    carrier = Carrier()
    extensions = add_library(carrier.items, python)
    closure = carrier.program(str(python.executable), extra=[str(path) for path in extensions])
    program = Program(
        carrier.place(str(python.executable)),
        closure.interpreter,
        closure.directories,
        carrier.sha256(str(python.executable)),
        tool.origin,
        tool.version,
    )
    return carrier.items, program, ":".join(f"{ROOT}{part}" for part in python.home.split(":"))


def _extra(files: Mapping[str, Path]) -> Items:
    items = Items()
    for path, source in files.items():
        items.file(path, source)
    return items
