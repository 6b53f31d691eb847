"""What can be set about guests."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tare.runners.errors import TareError
from tare.runners.provision.kernel import SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping

Accel = Literal["auto", "kvm", "tcg"]

# The suite's own part of the guest's command line, which a user's arguments must not contradict.
_OURS = ("tare.", "initrd=")


class BadOption(TareError):
    """A guest setting that cannot be used; the text names the setting."""


@dataclass(frozen=True, slots=True)
class GuestOptions:
    """Settings of guests; ``None`` and empty mean: choose well."""

    kernel: str = ""
    """A vmlinux or bzImage, possibly compressed with zstd; or one of :data:`tare.runners.provision.kernel.SOURCES`.
    Empty: what provisioning finds."""
    modules: Path | None = None
    """A folder as ``/lib/modules/RELEASE``, for a kernel given as a file."""
    cmdline: str = ""
    """Extra kernel arguments, put behind the suite's own, so that they win."""
    qemu: Path | None = None
    accel: Accel = "auto"
    """One asked for by name is used or fails; only ``auto`` falls back, and says why."""
    cpu: str = ""
    """QEMU's CPU model; empty: ``host`` under KVM, ``max`` under TCG."""
    boot_timeout_seconds: float = 0.0
    """From launch to the agent's first word; 0: by accelerator."""

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> GuestOptions:
        """Read ``guest.kernel``, ``.modules``, ``.cmdline``, ``.qemu``, ``.cpu``, ``.accel`` and ``.boot_timeout``.

        Where a value came from (option, environment, file) is resolved by the caller, see :mod:`tare.bench.request.settings`.

        Raises:
            BadOption: a value cannot be used.
        """
        accel = str(settings.get("guest.accel") or "auto")
        if accel not in {"auto", "kvm", "tcg"}:
            raise BadOption(f"guest.accel is {accel!r}; it must be auto, kvm or tcg")
        cmdline = str(settings.get("guest.cmdline") or "").strip()
        for word in _words(cmdline):
            if word.startswith(_OURS):
                raise BadOption(f"guest.cmdline must not contain {word!r}: the suite sets it itself")
        timeout = float(str(settings.get("guest.boot_timeout") or 0))
        return cls(
            kernel=_kernel(settings),
            modules=_folder(settings, "guest.modules"),
            cmdline=cmdline,
            qemu=_file(settings, "guest.qemu"),
            accel=accel,  # type: ignore[arg-type]
            cpu=str(settings.get("guest.cpu") or ""),
            boot_timeout_seconds=timeout,
        )


def _words(cmdline: str) -> list[str]:
    if "\n" in cmdline or "\0" in cmdline:
        raise BadOption("guest.cmdline must be one line")
    try:
        return shlex.split(cmdline)
    except ValueError as error:
        raise BadOption(f"guest.cmdline cannot be read: {error}") from error


def _kernel(settings: Mapping[str, object]) -> str:
    if settings.get("guest.kernel") in SOURCES:
        return str(settings["guest.kernel"])
    path = _file(settings, "guest.kernel")
    return str(path) if path else ""


def _folder(settings: Mapping[str, object], key: str) -> Path | None:
    value = settings.get(key)
    if not value:
        return None
    path = Path(str(value)).expanduser().absolute()
    if not path.is_dir():
        raise BadOption(f"{key} is {str(path)!r}, and there is no such folder")
    return path


def _file(settings: Mapping[str, object], key: str) -> Path | None:
    value = settings.get(key)
    if not value:
        return None
    path = Path(str(value)).expanduser().absolute()
    if not path.is_file():
        raise BadOption(f"{key} is {str(path)!r}, and there is no such file")
    return path
