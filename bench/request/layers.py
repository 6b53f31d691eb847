"""Merge the layers of settings: options over variables over the project's file over the user's over defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tare.bench.request.declarations import SETTINGS, by_key, change, near_key, read
from tare.bench.request.language import KEY
from tare.bench.request.setting import VARIABLES, Setting, defaults
from tare.bench.settings_files import CONFIG_FILE, PROJECT_FILE, VARIABLE, project_file, tables_of, user_file
from tare.results.nearest import nearest
from tare.results.said import say
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
    "commands": "counting instructions",
}
"""Group of settings → its title in ``--help``."""

OTHER_VARIABLES = (
    "TARE_AXE", "TARE_CACHE", VARIABLE, "TARE_DOCKER", "TARE_RUN", "TARE_WORKDIR", "TARE_WRITE_GOLDEN"
)  # fmt: skip
"""Variables that are no settings: of the settings file, the cache and the work folder, of children, of the tests."""

OTHERS_VARIABLES = "TARE_JOB_"
"""Beginning of the variables of Tare's component for GitLab."""

OriginKind = Literal["option", "variable", "project", "user", "default"]


class Origin(msgspec.Struct, frozen=True):
    """Layer that a value comes from."""

    kind: OriginKind
    name: str = ""
    """Option, variable or path of the file. Empty: the default."""

    def __str__(self) -> str:
        """Write it for people."""
        variable = f"${self.name}" if self.kind == "variable" else self.name
        return variable or "default"

    def named(self, setting: Setting) -> str:
        """Name the place of a value for an error message."""
        if self.kind == "default":
            return setting.option
        return f"{setting.key} in {self}" if self.kind in {"project", "user"} else str(self)


class Resolved(msgspec.Struct, frozen=True):
    """Value of one setting, and where it comes from."""

    setting: Setting
    value: Any
    origin: Origin


class _Layer(msgspec.Struct, frozen=True):
    """What one layer says, unread."""

    origin: Origin
    given: object
    folder: Path | None = None
    """Folder that relative paths are of. ``None``: the working directory."""


def add_options(parser: argparse.ArgumentParser, *groups: str, config: bool = True) -> None:
    """Declare the options of ``groups``, and ``--config``. Options that are not given stay ``None``."""
    if config:
        add_config_option(parser)
    for group in groups:
        section = parser.add_argument_group(TITLES[group])
        for setting in SETTINGS:
            if setting.group == group:
                _add_option(section, setting)


def add_language_option(parser: argparse.ArgumentParser) -> None:
    """Declare the language alone, for commands that take nothing else of the group of outputs."""
    _add_option(parser, by_key()[KEY])


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Declare the option that names the project's settings file."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"settings file (default: the nearest {CONFIG_FILE}, or {PROJECT_FILE} with [tool.tare], here or in a folder"
        f" above) [${VARIABLE}]",
    )


def _add_option(section: argparse._ActionsContainer, setting: Setting) -> None:
    names = dict.fromkeys((setting.option, setting.long))
    text = setting.described.replace("%", "%%")
    if not setting.read.flag:
        section.add_argument(*names, dest=setting.key, metavar=setting.metavar, help=text, default=None)
        return
    section.add_argument(
        *names, dest=setting.key, action="store_const", const="true", help=text, default=None
    )
    negation = f"--no-{setting.long.removeprefix('--')}"
    section.add_argument(
        negation,
        dest=setting.key,
        action="store_const",
        const="false",
        help=f"undo {setting.long}",
        default=None,
    )


def resolve(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from parsed options and the layers below them.

    Raises:
        UsageError: a value cannot be read; the text names the layer it came from.
    """
    return settings_of(resolve_each(arguments, environ))


def resolve_each(
    arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ
) -> tuple[Resolved, ...]:
    """Read each setting from parsed options and the layers below them, with its origin.

    Raises:
        UsageError: a value cannot be read; the text names the layer it came from.
    """
    given = {setting.key: getattr(arguments, setting.key, None) for setting in SETTINGS}
    return merge_each(given, getattr(arguments, "config", None), environ)


def named(option: str, arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> str:
    """Name the layer that the value of an option comes from, as error messages do; the option itself if it is none."""
    resolved = resolve_each(arguments, environ)
    return next(
        (
            one.origin.named(one.setting)
            for one in resolved
            if option in (one.setting.option, one.setting.long)
        ),
        option,
    )


def merge(
    given: Mapping[str, str | None],
    config: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    prefix: str = "--",
) -> Settings:
    """Merge the layers into settings; see :func:`merge_each`."""
    return settings_of(merge_each(given, config, environ, prefix=prefix))


def settings_of(resolved: tuple[Resolved, ...]) -> Settings:
    """Make the settings of their values."""
    return change(defaults(), ((one.setting, one.value) for one in resolved if one.origin.kind != "default"))


def merge_each(
    given: Mapping[str, str | None],
    config: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    prefix: str = "--",
) -> tuple[Resolved, ...]:
    """Merge the layers, and tell of each setting which layer has the say.

    Args:
        given: key → what the option says; ``None`` or absent: the option was not given.
        config: the project's settings file; ``None``: ``$TARE_CONFIG``, or the nearest one.
        environ: environment variables; an empty one counts as not set.
        prefix: what options begin with, for error messages.

    Raises:
        UsageError: a value cannot be read; the text names the layer it came from.
    """
    project, user = project_file(config, environ), user_file(environ)
    files = [*_read_file("project", project), *_read_file("user", user)]
    _check_variables(environ)
    resolved = []
    for setting in SETTINGS:
        layers = [
            _Layer(Origin("option", setting.option_under(prefix)), given.get(setting.key)),
            _Layer(Origin("variable", setting.variable), environ.get(setting.variable) or None),
            *(_Layer(origin, table.get(setting.key), folder) for origin, folder, table in files),
        ]
        said = next((one for one in layers if one.given is not None), None)
        if said is None:
            resolved.append(Resolved(setting, setting.default, Origin("default")))
        else:
            value = read(setting, said.origin.named(setting), said.given, said.folder)
            resolved.append(Resolved(setting, value, said.origin))
    return tuple(resolved)


def _read_file(kind: OriginKind, path: Path | None) -> list[tuple[Origin, Path | None, dict[str, Any]]]:
    """Read a settings file as origin, folder and key → value; an empty list where there is none.

    Raises:
        UsageError: it cannot be read, or has a setting that there is not.
    """
    if path is None:
        return []
    document = tables_of(path)
    if document.pop("workloads", None) is not None and kind == "user":
        raise UsageError(say(
            "settings.workloads",
            "{path}: definitions of workloads belong to a project: put them into its {config_file}, or into a file of its folder workloads.",
            path=path, config_file=CONFIG_FILE,
        ))  # fmt: skip
    flat: dict[str, Any] = {}
    for table, content in document.items():
        if not isinstance(content, dict):
            raise UsageError(say(
                "settings.needs_table", "{path}: {table!r} must be in a table, such as [run]",
                path=path, table=table,
            ))  # fmt: skip
        flat.update({f"{table}.{key}": value for key, value in content.items()})
    for key in sorted(flat.keys() - by_key().keys()):
        raise UsageError(say(
            "settings.unknown_in", "{path}: there is no setting {key}{near_key} There are {names}.",
            path=path, key=key, near_key=near_key(key), names=", ".join(by_key()),
        ))  # fmt: skip
    folder = path.parent
    return [(Origin(kind, str(path)), None if folder == Path() else folder.absolute(), flat)]


def _check_variables(environ: Mapping[str, str]) -> None:
    """Refuse a variable that is nearly one of Tare's: it would be ignored, and what it was to change would not change.

    Raises:
        UsageError: there is one.
    """
    names = (*OTHER_VARIABLES, *(setting.variable for setting in SETTINGS))
    known = [name.removeprefix(VARIABLES) for name in names]
    for name in sorted(environ):
        own = name.removeprefix(VARIABLES)
        if not name.startswith(VARIABLES) or name.startswith(OTHERS_VARIABLES) or own in known:
            continue
        if near := nearest(own, known):
            raise UsageError(say(
                "settings.no_variable", "${name}: there is no such variable; did you mean {variables}{near}? Rename or unset it.",
                name=name, variables=VARIABLES, near=near,
            ))  # fmt: skip
