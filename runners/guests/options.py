"""Check guest settings against this host, when a runner is made of them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.plain_files import why_no_file
from tare.results.said import say
from tare.runners.errors import UsageError
from tare.runners.settings import KERNEL_SOURCES

if TYPE_CHECKING:
    from tare.runners.settings import GuestSettings

# Prefixes of Tare's own kernel arguments, which a user's must not contradict.
_OURS = ("tare.", "initrd=")


class BadOption(UsageError):
    """A guest setting that cannot be used; the message names the setting."""


def check(settings: GuestSettings) -> GuestSettings:
    """Return ``settings`` if guests can be made with them.

    Raises:
        BadOption: a file is missing, or the command line cannot be used.
    """
    for word in _words(settings.cmdline):
        if word.startswith(_OURS):
            raise BadOption(
                say(
                    "option.own_word",
                    "guest.cmdline must not contain {word!r}: Tare sets it itself",
                    word=word,
                )
            )
    if settings.kernel and settings.kernel not in KERNEL_SOURCES:
        _need_file("guest.kernel", Path(settings.kernel))
    if settings.modules and not settings.modules.is_dir():
        raise BadOption(
            say(
                "option.no_folder",
                "guest.modules is {modules!r}, and there is no such folder",
                modules=str(settings.modules),
            )
        )
    if settings.qemu:
        _need_file("guest.qemu", settings.qemu)
    return settings


def _words(cmdline: str) -> list[str]:
    if "\n" in cmdline or "\0" in cmdline:
        raise BadOption(say("option.one_line", "guest.cmdline must be one line"))
    try:
        return shlex.split(cmdline)
    except ValueError as error:
        raise BadOption(
            say("option.cmdline_unreadable", "guest.cmdline cannot be read: {error}", error=error)
        ) from error


def _need_file(key: str, path: Path) -> None:
    if not path.is_file():
        raise BadOption(
            say("option.no_file", "{key} is {path!r}: {why}", key=key, path=str(path), why=why_no_file(path))
        )
