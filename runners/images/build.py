"""Builds the image: one definition, layer upon layer, each cached by what decides its bytes."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tare.runners.images.carry import HOST, Carrier
from tare.runners.images.command import carry_command
from tare.runners.images.image import AGENT, COMMAND, ROOT, Image, Program, image_key
from tare.runners.images.layers import Items, Layer, fill, merge
from tare.runners.images.overlay import command_in, lay_over, unpack_given
from tare.runners.images.python import add_library, ask
from tare.runners.native.build import build
from tare.runners.provision.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tare.runners.images.external import GivenImage
    from tare.runners.images.overlay import Unpacked
    from tare.runners.provision.tools import Provision, Tool

AGENT_SOURCE = Path(__file__).parents[1] / "agent" / "agent.c"

FETCHED_PREFIX = "/opt/tare"
"""Where fetched programs are in the image, with the C library of their own. The host's keep their paths."""

HOST_PREFIX = "/opt/tare-host"
"""Where the host's programs are in an image made elsewhere, whose own libraries they must not meet."""

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


def build_image(
    programs: Sequence[str],
    provision: Provision,
    cache: Path,
    *,
    progress: Callable[[str], None] = lambda _line: None,
    command: Sequence[str] = (),
    versions: Mapping[str, Sequence[str]] | None = None,
    carry: Sequence[Path] = (),
    extra_files: Mapping[str, Path] | None = None,
    layers: Sequence[tuple[str, Mapping[str, Path]]] = (),
    agent: Path | None = None,
    given: GivenImage | None = None,
) -> Image:
    """Build the image, or take it from the cache.

    Args:
        programs: names that :meth:`Provision.tool` knows; ``python3`` brings its library along.
        provision: where they come from.
        cache: the cache folder.
        progress: gets a line before anything slow happens.
        command: the user's own command; it becomes the program ``command``.
        versions: further commands of the user, by the name of the program that each becomes.
        carry: files and folders of the host that they need.
        extra_files: path in the image → file of the host.
        layers: further layers in their order: name → files, as ``extra_files``.
        agent: the compiled agent; compiled now if not given.
        given: an image made elsewhere, to lie below all else; the commands are then looked for in it.

    Raises:
        Missing: a program is not on this host and cannot be fetched.
        TareError: the agent cannot be compiled, or the command cannot be carried.
    """
    store = Cache(cache, progress)
    compiled = agent or build(AGENT_SOURCE, cache, progress=progress)
    notes: list[str] = []
    found: dict[str, Program] = {}
    under = unpack_given(given, store, progress) if given else None
    if under:
        specs = [("tare", _base_over(under, compiled, provision if "busybox" in programs else None))]
        notes += under.notes
    else:
        specs = [("base", _base(compiled, provision, notes))]
    tools = [
        provision.tool(name)
        for name in dict.fromkeys(programs)
        if name not in {"python3", "busybox", COMMAND}
    ]
    for name, chosen in (
        ("tools", [tool for tool in tools if tool.origin == "fetched"]),
        ("host-tools", [tool for tool in tools if tool.origin != "fetched"]),
    ):
        if chosen:
            items, made = _tools(chosen, HOST_PREFIX if under else "")
            specs.append((name, items))
            found |= made
    home = ""
    if "python3" in programs:
        items, found["python3"], home = _python(provision.tool("python3"))
        specs.append(("python", items))
    for path in ("usr/bin/busybox", OWN_BUSYBOX):
        if path in specs[0][1]:
            found["busybox"] = _busybox(provision.tool("busybox"), f"/{path}")
    carried: dict[str, None] = {}
    if extra_files:
        specs.append(("extra", _extra(extra_files)))
    specs += [(name, _extra(files)) for name, files in layers]
    for name, words in {**({COMMAND: command} if command else {}), **(versions or {})}.items():
        if under:
            found[name] = command_in(under, words)
            continue
        made_command = carry_command(words, carry)
        specs.append((name, made_command.items))
        found[name] = made_command.program
        carried |= dict.fromkeys(made_command.carried)
        notes += made_command.notes
    return replace(
        _assembled(store, specs, progress, under),
        programs=found,
        python_home=home,
        carried=tuple(carried),
        notes=tuple(notes),
    )


def _assembled(
    store: Cache,
    specs: Sequence[tuple[str, Items]],
    progress: Callable[[str], None],
    under: Unpacked | None,
) -> Image:
    """Make or find the layers, and the tree of them all."""
    layers = []
    libraries: dict[str, str] = {}

    def filling(name: str, items: Items) -> Callable[[Path], Mapping[str, object]]:
        def make(folder: Path) -> Mapping[str, object]:
            progress(f"image: making layer {name}, {items.total() / 1e6:.0f} MB")
            return fill(items, folder)

        return make

    for name, items in specs:
        entry = store.entry("layers", f"{name} {items.key()}", filling(name, items), stale=_older)
        facts = entry.facts
        layers.append(
            Layer(name, facts["digest"], facts["size"], facts["files"], entry.path, facts["tar_bytes"])
        )
        libraries |= {f"/{path}": digest for path, digest in facts["programs"].items()}
    below = under.layers if under else ()
    key = image_key((*below, *layers))

    def merging(folder: Path) -> Mapping[str, object]:
        trees = [layer.tree for layer in layers]
        if under:
            lay_over(under.tree, trees, folder)
        else:
            merge(trees, folder)
        return {}

    entry = store.entry("images", key, merging)
    return Image(key, entry.path, (*below, *layers), {}, libraries)


def _older(facts: Mapping[str, object]) -> str:
    return "" if "tar_bytes" in facts else "the size of its tar is not known"


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
    # For LC_ALL: glibc has no C.UTF-8 but this.
    for part in sorted(Path("/usr/lib/locale/C.utf8").rglob("*")):
        if part.is_file():
            items.file(str(part), part)
    busybox = provision.find("busybox")
    if busybox is None:
        notes.append("no busybox: there are no shell and no small tools in the image")
        return items
    items.file("usr/bin/busybox", busybox.path)
    for applet in _applets(busybox):
        items.link(f"usr/bin/{applet}", "usr/bin/busybox")
    return items


def _base_over(under: Unpacked, agent: Path, provision: Provision | None) -> Items:
    """What an image made elsewhere lacks to be a place: the agent and mount points; busybox if a workload needs it."""
    items = Items()
    for name in (*MOUNT_POINTS, "tmp"):
        if not under.has_folder(name):
            items.folder(name, 0o1777 if name == "tmp" else 0o755)
    items.file(AGENT, agent)
    if provision:
        items.file(OWN_BUSYBOX, provision.tool("busybox").path)
    return items


def _applets(busybox: Tool) -> list[str]:
    listed = subprocess.run(
        busybox.argv("--list"), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    ).stdout.split()
    return sorted(name for name in listed if name != "busybox" and "/" not in name)


def _busybox(tool: Tool, path: str) -> Program:
    digest = hashlib.sha256(tool.path.read_bytes()).hexdigest()
    return Program(path, "", (), digest, tool.origin, tool.version)


def _tools(tools: Sequence[Tool], host_prefix: str) -> tuple[Items, dict[str, Program]]:
    """A layer of tools. Those of one root share their libraries; all fetched ones that go into images come of one."""
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
    # A second fetched root has a C library of its own, which must not meet the first one's.
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
