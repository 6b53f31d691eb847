"""Keep a request in a run's manifest as JSON, and read it back."""

from __future__ import annotations

import functools
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tare.bench.own.checking import Problem, check
from tare.bench.request.declarations import SETTINGS, by_key, change
from tare.bench.request.request import CommandVersion, Request, SettingsVariant, Slowdowns
from tare.bench.request.setting import Setting, defaults
from tare.results.escapes import in_all_texts, original, reversible
from tare.results.plan import RequestRecord, SlowdownsRecord, planned
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.own.definition import Definition
    from tare.bench.request.settings import Settings
    from tare.results.record import Manifest


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Write the settings as key → value."""
    return {setting.key: msgspec.to_builtins(setting.of(settings), enc_hook=str) for setting in SETTINGS}


def changes_to_json(settings: Settings, base: Settings) -> dict[str, Any]:
    """Write those settings that differ from ``base``."""
    return {
        setting.key: msgspec.to_builtins(setting.of(settings), enc_hook=str)
        for setting in SETTINGS
        if setting.of(settings) != setting.of(base)
    }


def settings_from_json(raw: Mapping[str, Any], where: str, base: Settings | None = None) -> Settings:
    """Apply recorded settings to ``base``, by default to the defaults; what is not recorded stays as it is there.

    Raises:
        UsageError: a value cannot be used; the text names the setting, behind ``where``.
    """
    values = []
    for key, value in raw.items():
        setting = by_key().get(key)
        if setting is None:
            raise UsageError(
                say("request.no_setting", "{where}.{key}: there is no such setting", where=where, key=key)
            )
        values.append((setting, _value(setting, value, f"{where}.{key}")))
    return change(base or defaults(), values)


def _value(setting: Setting, raw: object, where: str) -> Any:
    try:
        value = msgspec.convert(raw, _type(setting), dec_hook=_path)
        if value != setting.default:
            setting.read.check(value)
    except ValueError as error:  # msgspec's own errors are some
        raise UsageError(say("request.invalid", "{where}: {error}", where=where, error=error)) from error
    return value


@functools.cache
def _type(setting: Setting) -> Any:
    group = type(getattr(defaults(), setting.group))
    return typing.get_type_hints(group)[setting.name]


def _path(wanted: type, raw: Any) -> Any:
    if wanted is Path and isinstance(raw, str):
        return Path(raw)
    raise ValueError(say("request.no_path", "expected a path, got {name}", name=type(raw).__name__))


def request_to_record(request: Request) -> RequestRecord:
    """Keep what a resumed run must ask for again; how the call behaves is not part of it."""
    injected = request.slowdowns
    texts = functools.partial(in_all_texts, change=reversible)
    return RequestRecord(
        settings=texts(settings_to_json(request.settings)),
        mode=request.mode,
        command=texts(request.command),
        versions=tuple((name, texts(command)) for name, command in request.versions),
        variants=tuple(
            (name, texts(changes_to_json(own, request.settings))) for name, own in request.variants
        ),
        carry=texts(tuple(map(str, request.carry))),
        around=texts(msgspec.to_builtins(request.around)),
        own={name: texts(msgspec.to_builtins(one)) for name, one in request.own.items()},
        only_own=request.only_own,
        cases=None if request.cases is None else tuple(sorted(request.cases)),
        cases_named=request.cases_named,
        slowdowns=SlowdownsRecord(shares=injected.shares, start_seconds=dict(injected.start_seconds))
        if injected
        else None,
    )


def request_from_record(record: RequestRecord) -> Request:
    """Ask the same again.

    Raises:
        UsageError: a setting cannot be used; the text names it.
    """
    texts = functools.partial(in_all_texts, change=original)
    settings = settings_from_json(texts(record.settings), "request.settings")
    variants = tuple(
        SettingsVariant(
            name, settings_from_json(texts(own), f"request.variants[{number}].settings", settings)
        )
        for number, (name, own) in enumerate(record.variants)
    )
    injected = record.slowdowns
    return Request(
        settings=settings,
        mode=record.mode,
        command=texts(record.command),
        versions=tuple(CommandVersion(name, texts(command)) for name, command in record.versions),
        variants=variants,
        carry=tuple(map(Path, texts(record.carry))),
        around=None if record.around is None else _definition("around", texts(record.around)),
        own={name: _definition(name, texts(raw)) for name, raw in record.own.items()},
        only_own=record.only_own,
        cases=None if record.cases is None else frozenset(record.cases),
        cases_named=record.cases_named,
        slowdowns=Slowdowns(injected.shares, injected.start_seconds) if injected else None,
    )


def _definition(name: str, raw: object) -> Definition:
    found = check(name, raw)
    if isinstance(found, Problem):
        raise UsageError(say("request.own", "request.own.{name}: {text}", name=name, text=found.text))
    return found


def request_of(manifest: Manifest) -> Request | None:
    """Read what was asked of a run; ``None`` where no complete request is recorded, as in imported runs."""
    plan = planned(manifest)
    try:
        return request_from_record(plan.request) if plan else None
    except UsageError:
        return None
