"""Carry the user's own command into the image: program, loader, libraries, script, modules, named files.

Files keep their absolute paths, so that the same command line works in every place. If the tree is not the root, as on
bare metal, the path of the tree is put in front.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tare.results.plain_files import NOT_PLAIN, why_no_file
from tare.results.said import listed, say
from tare.runners.errors import UsageError
from tare.runners.host.programs import run_quietly
from tare.runners.images.apply import DEEPEST
from tare.runners.images.carry import Carrier
from tare.runners.images.image import ROOT, Program
from tare.runners.images.imports import installed, modules, source_of
from tare.runners.images.layers import CARRIED, carried_at
from tare.runners.images.program_files import check_program, shebang
from tare.runners.images.python import add_library, add_modules, ask, package_bytes, package_files
from tare.runners.provision.elf import is_elf, read_elf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.runners.images.layers import Items
    from tare.runners.images.python import Interpreter

LIMIT_BYTES = 2 << 30
"""Largest size of a command's layer: guests get it as a disk, and it fills the page cache."""

ALL_PACKAGES_BYTES = 64 << 20
"""Size up to which all packages of a Python are carried; above it, only those that the command's source imports."""

SCRIPTS_LIMIT = 4
"""Depth to which the kernel follows scripts that run scripts (execve(2))."""

_NOT_FILES = ("/proc/", "/sys/", "/dev/", "/run/")
_OWN_FOLDERS = frozenset({"/tmp", "/var/tmp", "/scratch"})  # noqa: S108 - as jobs see them


class Carried(msgspec.Struct, frozen=True):
    """A command as the image has it."""

    items: Items
    """Files of its own; for a Python program the script, the modules beside it, and what arguments name."""
    interpreter: Items
    """The Python that runs it, with installed packages: the same for other commands of that Python; else empty."""
    program: Program
    """The program; its arguments are the whole rest of the command line."""
    carried: tuple[str, ...]
    """Host files that arguments or ``carry`` named."""
    notes: tuple[str, ...] = ()


class _Chain(msgspec.Struct):
    """A command followed to the ELF program that the kernel would run in the end."""

    program: Path
    arguments: list[str] = msgspec.field(default_factory=list)
    scripts: list[Path] = msgspec.field(default_factory=list)


def carry_command(command: Sequence[str], carry: Sequence[Path] = ()) -> Carried:
    """Collect everything a command needs from this host.

    Raises:
        UsageError: it is missing, unreadable, set-uid, for another machine, or too large.
    """
    chain = _follow(command[0])
    check_program(chain.program)
    carrier = Carrier()
    for path in chain.scripts:
        carrier.link_or_file(str(path))
    rest, named = _arguments(command[1:])
    for path in (*map(Path, named), *carry):
        _add(carrier, path.absolute())
    notes: tuple[str, ...] = ()
    interpreter = Carrier()
    if _is_python(chain.program):
        program, notes = _python_program(carrier, interpreter, chain, rest)
    else:
        closure = carrier.program(str(chain.program))
        program = Program(
            carrier.place(str(chain.program)),
            closure.interpreter,
            closure.directories,
            carrier.sha256(str(chain.program)),
            "system",
            arguments=(*chain.arguments, *rest),
        )
        if chain.scripts:
            name = chain.scripts[0].name
            notes = (say(
                "image.script",
                "{name} is a script: of the programs that it calls, the image has busybox's and what --carry names",
                name=name,
            ),)  # fmt: skip
    total = carrier.items.total() + interpreter.items.total()
    if total > LIMIT_BYTES:
        raise UsageError(say(
            "image.command_large", "{command} and what it needs are {total} MB, more than the {limit_bytes} MiB that fit into the "
            "image. Use a smaller environment, such as a new venv with only what the command imports.",
            command=shlex.join(command), total=f"{total / 1000000.0:.0f}", limit_bytes=LIMIT_BYTES >> 20,
        ))  # fmt: skip
    return Carried(carrier.items, interpreter.items, program, (*named, *(str(path) for path in carry)), notes)


def check_command(command: Sequence[str]) -> None:
    """Find out whether the program of a command can be carried; raises as :func:`carry_command`."""
    check_program(_follow(command[0]).program)


def _follow(name: str) -> _Chain:
    """Follow shims and ``#!`` lines to a program."""
    chain = _Chain(_which(name))
    for _ in range(SCRIPTS_LIMIT):
        path = chain.program
        if is_elf(path):
            return chain
        real = _behind_shim(path)
        if real:
            chain.program = real
            continue
        words = shebang(path)
        chain.scripts.insert(0, path)
        chain.arguments = [*words[1:], _in_image(path), *chain.arguments]
        chain.program = _which(words[0])
    raise UsageError(say(
        "image.script_steps", "{name}: its #! lines lead on for more than {scripts_limit} steps.",
        name=name, scripts_limit=SCRIPTS_LIMIT,
    ))  # fmt: skip


def _which(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise UsageError(
            say(
                "image.cannot_run",
                "{name} cannot be run: {why_not}.",
                name=name or "''",
                why_not=_why_not(name),
            )
        )
    # Not resolve(): some programs behave by the name they are called by.
    return Path(os.path.abspath(found))  # noqa: PTH100 - keeps links, resolves `..` only


def _why_not(name: str) -> str:
    if not name.strip():
        return say("command.no_name", "a command begins with the name of a program")
    path = Path(name)
    if "/" not in name:
        absent = say("command.not_on_path", "it is not on PATH (a shell's own commands are no programs)")
        here = say("command.here", "the one in this folder is ./{name}", name=name)
        return listed((absent, here)) if path.is_file() else absent
    if path.is_dir():
        return say("command.folder", "it is a folder")
    return (
        say("command.not_executable", "it is not executable; `chmod +x {name}` makes it so", name=name)
        if path.is_file()
        else why_no_file(path)
    )


def _behind_shim(path: Path) -> Path | None:
    """Find the program behind a shim of pyenv, rbenv or the like, which would need their whole installation."""
    if path.parent.name != "shims":
        return None
    for manager in (path.parent.parent.name.lstrip("."), "pyenv", "rbenv", "nodenv", "goenv", "asdf"):
        command = shutil.which(manager) or str(path.parent.parent / "bin" / manager)
        try:
            done = run_quietly([command, "which", path.name], timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            continue
        real = Path(done.stdout.strip())
        if done.returncode == 0 and real.is_absolute() and real.is_file() and real != path:
            return real
    return None


def _arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Rewrite arguments that name files or folders of the host to where the image has them; list those, too.

    Jobs start in the scratch folder, so relative names become absolute ones. A folder is only taken for one if its name
    has a slash or is ``.`` or ``..``: other words are often names of something else.

    Raises:
        UsageError: an argument is the root folder, which differs in every place.
    """
    rest, named = [], []
    for argument in arguments:
        option, equals, value = argument.partition("=")
        candidate = value if equals and option.startswith("-") and value.startswith("/") else argument
        path = os.path.abspath(candidate)  # noqa: PTH100 - links are kept
        if candidate and len(candidate) < 4096 and "\n" not in candidate and _is_meant(candidate, path):
            named.append(path)
            rest.append(argument.removesuffix(candidate) + _in_image(path))
        else:
            rest.append(argument)
    return rest, named


def _is_meant(candidate: str, path: str) -> bool:
    """Tell whether an argument names a file or folder that the command has to find in every place."""
    if _is_file(path):
        return True
    if not ("/" in candidate or candidate in {".", ".."}) or not Path(path).is_dir():
        return False
    if path == "/":
        raise UsageError(say(
            "image.root_folder", "the argument {candidate!r} is the root folder, which differs in every place. Name a folder in it.",
            candidate=candidate,
        ))  # fmt: skip
    # Every place has its own folders there.
    return path not in _OWN_FOLDERS and not f"{path}/".startswith(_NOT_FILES)


def _in_image(path: Path | str) -> str:
    return f"{ROOT}{carried_at(str(path))}"


def _on_host(argument: str) -> str:
    """Turn a rewritten argument back into what it was."""
    return argument.replace(f"{ROOT}{CARRIED}/", "/").replace(ROOT, "")


def _is_file(path: str) -> bool:
    return not path.startswith(_NOT_FILES) and Path(path).is_file()


def _add(carrier: Carrier, path: Path) -> None:
    """Add a file, a program with its libraries, or a whole folder.

    Raises:
        UsageError: it does not exist, or cannot be copied.
    """
    if str(path).startswith(_NOT_FILES) or path == Path("/"):
        raise UsageError(say(
            "image.own_folder", "{path} cannot be carried into the image: places have their own.",
            path=path,
        ))  # fmt: skip
    if path.is_dir():
        inner = _inner(path)
        size = sum(each.stat().st_size for each in inner if each.is_file())
        if size > LIMIT_BYTES:
            raise UsageError(say(
                "image.folder_large",
                "the folder {path} has {size} MB, more than the {limit_bytes} MiB that fit into the image. Name a smaller one.",
                path=path, size=f"{size / 1000000.0:.0f}", limit_bytes=LIMIT_BYTES >> 20,
            ))  # fmt: skip
        carrier.items.folder(str(path))
        for each in inner:
            if each.is_file():
                _add_file(carrier, each)
            elif each.is_dir():
                carrier.items.folder(str(each))
    elif path.is_file():
        _add_file(carrier, path)
    elif path.exists():
        raise UsageError(say(
            "image.carry_not_plain", "{path} cannot be carried into the image: {why}.",
            path=path, why=NOT_PLAIN,
        ))  # fmt: skip
    else:
        raise UsageError(say(
            "image.carry_lost", "{path} cannot be carried into the image: there is no such file or folder.",
            path=path,
        ))  # fmt: skip


def _inner(folder: Path) -> list[Path]:
    """List everything in a folder.

    Raises:
        UsageError: it cannot be read, or is too deep for what walks the image later.
    """
    try:
        found = sorted(folder.rglob("*"))
    except RecursionError:
        found = None
    except OSError as error:
        raise UsageError(say(
            "image.carry_failed", "{folder} cannot be carried into the image: {error}.",
            folder=folder, error=error,
        )) from error  # fmt: skip
    if found is None or any(len(each.parts) - len(folder.parts) > DEEPEST for each in found):
        raise UsageError(say(
            "image.carry_deep", "{folder} cannot be carried into the image: it has folders more than {deepest} levels deep.",
            folder=folder, deepest=DEEPEST,
        ))  # fmt: skip
    return found


def _add_file(carrier: Carrier, path: Path) -> None:
    if not os.access(path, os.R_OK):
        raise UsageError(say(
            "image.carry_unreadable", "{path} cannot be carried into the image: it is not readable.",
            path=path,
        ))  # fmt: skip
    if is_elf(path) and path.stat().st_mode & 0o111 and read_elf(path).interpreter:
        carrier.program(str(path))
    else:
        carrier.link_or_file(str(path))


def _is_python(path: Path) -> bool:
    return re.fullmatch(r"python[\d.]*[dt]?", path.name) is not None


def _python_program(
    own: Carrier, carrier: Carrier, chain: _Chain, command: Sequence[str]
) -> tuple[Program, tuple[str, ...]]:
    """Carry a Python with its library and, by ``PYTHONPATH``, the rest of its ``sys.path``; return notes as well.

    Modules of the command's own go to ``own``, and all that other commands of this Python have as well to ``carrier``.

    It does not become a virtual environment: ``pyvenv.cfg`` names the host's Python by an absolute path.
    """
    rest = [_on_host(argument) for argument in (*chain.arguments, *command)]
    python = ask([str(chain.program)])
    extensions = add_library(carrier.items, python)
    packages = _packages(python)
    names, local = modules(*source_of(rest))
    files, notes = _package_files(chain.program, packages, names)
    extensions += add_modules(carrier.items, python, files)
    extensions += add_modules(own.items, python, local)
    base = str(python.executable)
    closure = carrier.program(base, extra=[str(path) for path in extensions])
    environ = {"PYTHONHOME": ":".join(map(_in_image, python.home.split(":")))}
    if packages:
        environ["PYTHONPATH"] = ":".join(map(_in_image, packages))
    program = Program(
        carrier.place(base),
        closure.interpreter,
        closure.directories,
        carrier.sha256(base),
        "system",
        f"Python {python.version}",
        (*chain.arguments, *command),
        environ,
    )
    return program, notes


def _package_files(
    python: Path, folders: Sequence[str], names: set[str]
) -> tuple[list[Path], tuple[str, ...]]:
    """List all installed files if they are few, else those that the command's source imports; and notes."""
    size = package_bytes(folders)
    if size <= ALL_PACKAGES_BYTES:
        return package_files(folders), ()
    listed, loose, distributions = installed(python, names)
    below = tuple(f"{folder}/" for folder in folders)
    kept = {path for path in listed if path.suffix != ".pyc" and str(path).startswith(below)}
    kept |= {
        path for folder in loose if str(folder).startswith(below) for path in package_files([str(folder)])
    }
    carried = ", ".join(f"{name} {version}" for name, version in sorted(distributions.items()))
    note = say(
        "image.packages",
        "of the {size} MB of installed Python packages, those that the command's source imports are in the image ({word}); "
        "for others give --carry FOLDER",
        size=f"{size / 1e6:.0f}", word=carried or "none",
    )  # fmt: skip
    return sorted(path for path in kept if path.is_file()), (note,)


def _packages(python: Interpreter) -> list[str]:
    """List the entries of ``sys.path`` beyond the standard library."""
    inside = (*python.library, *(f"{folder}/lib-dynload" for folder in python.library))
    zipped = re.compile(r".*/python\d+\.zip")
    return [
        path
        for path in python.path
        if path not in inside and not zipped.fullmatch(path) and Path(path).exists() and path != "/"
    ]
