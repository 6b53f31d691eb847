"""Define what the declaration of a setting says: its key, option, variable, help and reader."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tare.bench.request.readers import Reader
    from tare.bench.request.settings import Settings

VARIABLES = "TARE_"
"""Beginning of the variables' names."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Declaration of one setting: how it is given, read and stored."""

    key: str
    """``table.key`` in ``tare.toml``, in plans, and for ``tare ab --base-set``."""
    option: str
    """Option of the command line, dashes included."""
    help: str
    read: Reader[Any]
    metavar: str = "VALUE"
    field: str = ""
    """``group.field`` of :class:`Settings`. Empty: the same as ``key``."""

    @property
    def group(self) -> str:
        """Name the group of :class:`Settings` that the field belongs to."""
        return (self.field or self.key).partition(".")[0]

    @property
    def name(self) -> str:
        """Name the field within its group."""
        return (self.field or self.key).partition(".")[2]

    @property
    def long(self) -> str:
        """Spell the option in its long form, which ``-k`` has as well."""
        return self.option if self.option.startswith("--") else f"--{self.key.partition('.')[2]}"

    @property
    def variable(self) -> str:
        """Name the environment variable: the long option in capitals, so ``--guest-kernel`` is ``TARE_GUEST_KERNEL``."""
        return VARIABLES + self.long.removeprefix("--").replace("-", "_").upper()

    @property
    def default(self) -> Any:
        """Look up the value where no layer says anything."""
        return self.of(defaults())

    @property
    def described(self) -> str:
        """Complete the help with the default, where there is one, and the variable."""
        default = self.text(self.default) if self.default and not self.read.flag else ""
        shown = f" (default: {default})" if default else ""
        return f"{self.help}{shown} [${self.variable}]"

    def of(self, settings: Settings) -> Any:
        """Look up the value in the settings."""
        return getattr(getattr(settings, self.group), self.name)

    def text(self, value: Any) -> str:
        """Write a value as it would be given; empty for ``None``, which only the absence of all layers says."""
        return "" if value is None else self.read.write(value)

    def option_under(self, prefix: str) -> str:
        """Spell the option with another prefix than ``--``, such as ``--tare-``."""
        return prefix + self.option.removeprefix("--") if self.option.startswith("--") else self.option


@functools.cache
def defaults() -> Settings:
    """Return the settings that hold where no layer says anything."""
    from tare.bench.request.settings import Settings  # noqa: PLC0415 - 10 ms that declaring options need not take

    return Settings()
