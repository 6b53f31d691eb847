"""Merge the layers of settings: options over environment over ``tare.toml`` over defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.bench.request.declarations import SETTINGS, by_key, change, defaults, near_key, read
from tare.bench.request.settings import CONFIG_FILE
from tare.results.nearest import nearest
from tare.results.toml_files import read_toml
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from tare.bench.request.settings import Settings

TITLES = {
    "run": "what to measure",
    "limits": "limits of each place",
    "crowd": "many places at once (-k crowd)",
    "kubernetes": "Kubernetes (by $KUBECONFIG)",
    "guest": "guests",
    "output": "where results go",
    "store": "where runs are kept",
}
"""Group of settings → its title in ``--help``."""

_VARIABLES = "TARE_"

OTHER_VARIABLES = ("TARE_CACHE", "TARE_DOCKER", "TARE_RUN", "TARE_WORKDIR", "TARE_WRITE_GOLDEN")
"""Variables that are no settings: of the cache and the work folder, of children, of the tests."""


def add_options(parser: argparse.ArgumentParser, *groups: str, config: bool = True) -> None:
    """Declare the options of ``groups``, and ``--config``. Options that are not given stay ``None``."""
    if config:
        parser.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help=f"settings file (default: {CONFIG_FILE} if it is here)",
        )
    for group in groups:
        section = parser.add_argument_group(TITLES[group])
        for setting in SETTINGS:
            if setting.group == group:
                section.add_argument(
                    setting.option,
                    dest=setting.key,
                    metavar=setting.metavar,
                    help=setting.described.replace("%", "%%"),
                    default=None,
                )


def resolve(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from parsed options and the layers below them.

    Raises:
        UsageError: a value cannot be read; the text names the layer it came from.
    """
    given = {setting.key: getattr(arguments, setting.key, None) for setting in SETTINGS}
    return merge(given, getattr(arguments, "config", None), environ)


def merge(
    given: Mapping[str, str | None],
    config: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    prefix: str = "--",
) -> Settings:
    """Merge the layers.

    Args:
        given: key → what the option says; ``None`` or absent: the option was not given.
        config: settings file; ``None``: ``tare.toml`` if it is in the working directory.
        environ: environment variables; an empty one counts as not set.
        prefix: what options begin with, for error messages.

    Raises:
        UsageError: a value cannot be read; the text names the layer it came from.
    """
    table = _config(config)
    values = []
    for setting in SETTINGS:
        layers = (
            (setting.option_under(prefix), given.get(setting.key)),
            (f"${setting.environment}", environ.get(setting.environment) or None),
            (f"{setting.key} in the settings file", table.pop(setting.key, None)),
        )
        found = next(((origin, value) for origin, value in layers if value is not None), None)
        if found is not None:
            values.append((setting, read(setting, *found)))
    for key in sorted(table):
        raise UsageError(
            f"settings file: there is no setting {key}{near_key(key)} There are {', '.join(by_key())}."
        )
    _check_variables(environ)
    return change(defaults(), values)


def _check_variables(environ: Mapping[str, str]) -> None:
    """Refuse a variable that is nearly one of Tare's: it would be ignored, and what it was to change would not change.

    Raises:
        UsageError: there is one.
    """
    names = (*OTHER_VARIABLES, *(setting.environment for setting in SETTINGS if setting.environment))
    known = [name.removeprefix(_VARIABLES) for name in names]
    for name in sorted(environ):
        own = name.removeprefix(_VARIABLES)
        if name.startswith(_VARIABLES) and own not in known and (near := nearest(own, known)):
            raise UsageError(
                f"${name}: there is no such variable; did you mean {_VARIABLES}{near}? Rename or unset it."
            )


def _config(path: Path | None) -> dict[str, Any]:
    chosen = path or Path(CONFIG_FILE)
    try:
        document = read_toml(chosen)
    except FileNotFoundError:
        if path is None:
            return {}
        raise UsageError(f"--config {path}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{chosen} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{chosen} cannot be used: {error}.") from error
    document.pop("workloads", None)  # definitions, which tare.bench.own reads
    flat: dict[str, Any] = {}
    for table, content in document.items():
        if not isinstance(content, dict):
            raise UsageError(f"{chosen}: {table!r} must be in a table, such as [run]")
        flat.update({f"{table}.{key}": value for key, value in content.items()})
    return flat
