"""Look at the files of programs that are to be carried into the image."""

from __future__ import annotations

import os
import re
import shlex
import stat
from pathlib import Path

from tare.results.said import say
from tare.runners.errors import UsageError
from tare.runners.provision import arch
from tare.runners.provision.elf import read_elf


def shebang(path: Path) -> list[str]:
    """Split a script's first line into words, program first, with ``env`` resolved.

    Raises:
        UsageError: it cannot be read, or is no script.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(4096)
    except OSError as error:
        raise UsageError(say(
            "image.carry_bytes", "{path} cannot be read: {strerror}. Its bytes must go into the image.",
            path=path, strerror=error.strerror,
        )) from error  # fmt: skip
    if not line.startswith(b"#!"):
        raise UsageError(say(
            "image.no_program_kind", "{path} is neither a program (ELF) nor a script with a #! line.",
            path=path,
        ))  # fmt: skip
    # The kernel drops blanks around, and takes everything after the first blank as one argument.
    text = os.fsdecode(line[2:]).rstrip("\n").strip(" \t")
    program, *argued = re.split("[ \t]+", text, maxsplit=1)
    if not program:
        raise UsageError(say("image.no_interpreter", "{path}: its #! line names no program.", path=path))
    if text.endswith("\r"):
        raise UsageError(say(
            "image.carriage_return", "{path}: its #! line ends with a carriage return, which the kernel takes as a part of the "
            "program's name. Convert the file to Unix line ends.",
            path=path,
        ))  # fmt: skip
    argument = "".join(argued)
    words = [program, *([argument.strip()] if argument.strip() else [])]
    if Path(program).name == "env" and len(words) == 2:
        split = shlex.split(words[1].removeprefix("-S").strip()) if words[1].startswith("-S") else words[1:]
        while split and (split[0].startswith("-") or "=" in split[0]):
            split.pop(0)
        words = split or words
    return words


def check_program(path: Path) -> None:
    """Refuse a program that a copy in the image would not be.

    Raises:
        UsageError: it is set-uid, cannot be read, or is written for other machines.
    """
    status = path.stat()
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        raise UsageError(say(
            "image.set_uid",
            "{path} is set-uid: its rights come from the file's owner, which a copy in the image does not have. Run what it would run, instead.",
            path=path,
        ))  # fmt: skip
    if not os.access(path, os.R_OK):
        raise UsageError(say(
            "image.not_readable", "{path} may be run but not read, so it cannot be carried into the image. Run as a user who may.",
            path=path,
        ))  # fmt: skip
    machine = read_elf(path).machine
    if machine != arch.current().machine:
        raise UsageError(say(
            "image.other_machine", "{path} is a program for {machine}, and this machine is {machine2}.",
            path=path, machine=machine, machine2=arch.current().machine,
        ))  # fmt: skip
