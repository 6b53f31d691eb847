"""Make a request from a call of :func:`tare.run`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tare.bench.own.calls import AroundOptions, OwnWorkload, WorkloadOptions, refuse_strangers, workload
from tare.bench.own.files import own_files, read_own
from tare.bench.request.declarations import by_key, near_key
from tare.bench.request.layers import merge
from tare.bench.request.provenance import read_labels
from tare.bench.request.request import ModeName, Request
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.bench.own.calls import Work
    from tare.bench.own.definition import Definition
    from tare.bench.request.settings import Settings


class RunOptions(AroundOptions, total=False):
    """Options of :func:`tare.run`, which mirror those of ``tare run``."""

    keyword: str
    """``-k``: of the suite's workloads and those in TOML, only these; not beside work of one's own."""
    mode: ModeName
    """``quick``, ``default`` or ``rigorous``."""
    budget: float | str
    """Measuring time in seconds, or as text: ``"90s"``."""
    blocks: int
    """Blocks to take exactly, whatever the budget and the precision."""
    precision: float
    """Half-width of the 95 % intervals to aim at, in percent of every cost."""
    seed: int
    name: str
    """Name to find the run by."""
    labels: Mapping[str, str]
    results: str | os.PathLike[str]
    """Folder of the runs."""
    image: str
    """``--image``: image made elsewhere that the commands come from."""
    offline: bool
    """Fetch nothing."""
    config: str | os.PathLike[str]
    """Settings file in the place of ``tare.toml``."""
    settings: Mapping[str, Any]
    """Any other setting by its key in ``tare.toml``: ``{"limits.cpus": 1}``."""


_KEYS = {
    "keyword": "run.keyword", "budget": "run.budget", "blocks": "run.blocks", "precision": "run.precision",
    "seed": "run.seed", "name": "run.name", "results": "run.results_dir", "image": "run.image",
}  # fmt: skip
"""Option → key of the setting that it gives."""

_MODES: tuple[ModeName, ...] = ("quick", "default", "rigorous")


def request_of_call(
    work: Iterable[Work | OwnWorkload], places: Iterable[str], *, report: bool, options: Mapping[str, Any]
) -> Request:
    """Make the request of a call.

    Raises:
        UsageError: something of it cannot be used; the text says what could.
    """
    refuse_strangers(options, RunOptions.__optional_keys__)
    if isinstance(work, str) or callable(work) or isinstance(work, OwnWorkload):
        raise UsageError(
            say("api.work", "work is a list of commands and functions: put brackets around a single one.")
        )
    around = {key: value for key, value in options.items() if key in AroundOptions.__optional_keys__}
    defined = _defined(list(work), around)
    own = _named(defined)
    mode = options.get("mode", "default")
    if mode not in _MODES:
        raise UsageError(
            say("api.mode", "mode: there is no {mode!r}; give {modes}.", mode=mode, modes=", ".join(_MODES))
        )
    config = Path(options["config"]) if "config" in options else None
    if own and "keyword" in options:
        raise UsageError(say(
            "api.keyword", "keyword chooses among the suite's workloads: leave it out beside work of your own.",
        ))  # fmt: skip
    if not own and around:
        raise UsageError(
            say("api.no_command", "{next}: there is no command to use it with.", next=next(iter(around)))
        )
    settings = _settings(options, places, config)
    if settings.run.image and (lost := next((one.name for one in defined if one.is_function), "")):
        raise UsageError(say(
            "api.function_image", "{lost} is a Python function, which cannot be carried into an image made elsewhere: leave image "
            "out, or give a command that the image has.",
            lost=lost,
        ))  # fmt: skip
    return Request(
        settings=settings,
        mode=cast("ModeName", mode),
        own=own or read_own(own_files(config)),
        only_own=bool(own),
        offline=bool(options.get("offline", False)),
        argv=("tare.run",),
        labels=read_labels(f"{key}={value}" for key, value in options.get("labels", {}).items()),
        report=report,
    )


def _settings(options: Mapping[str, Any], places: Iterable[str], config: Path | None) -> Settings:
    if isinstance(places, str):
        raise UsageError(say("api.places", "places is a list of runners: give [{places!r}].", places=places))
    given = dict(options.get("settings", {}))
    for key in given:
        if key not in by_key():
            raise UsageError(say(
                "api.setting", "settings: there is no {key!r}{near_key}",
                key=key, near_key=near_key(str(key)),
            ))  # fmt: skip
    given |= {key: options[name] for name, key in _KEYS.items() if name in options}
    if names := ",".join(places):
        given["run.runners"] = names
    plain = {
        key: os.fspath(value) if isinstance(value, os.PathLike) else value for key, value in given.items()
    }
    return merge(plain, config, prefix="")


def _defined(work: list[Work | OwnWorkload], around: Mapping[str, Any]) -> list[OwnWorkload]:
    """Define what was given as such, each with those of the parameters that it uses.

    Raises:
        UsageError: nothing uses one of the parameters.
    """
    parameters = around.get("parameters", {})
    made, used = [], set()
    for one in work:
        if isinstance(one, OwnWorkload):
            made.append(one)
            continue
        mine = {key: values for key, values in parameters.items() if _uses(one, key, around)}
        used |= set(mine)
        options = {**around, "parameters": mine}
        made.append(workload(one, **cast("WorkloadOptions", options)))
    if lost := [key for key in parameters if key not in used]:
        raise UsageError(say("api.unused", "parameters: nothing has {{{lost}}} in it.", lost=lost[0]))
    return made


def _uses(work: Work, key: str, around: Mapping[str, Any]) -> bool:
    """Tell whether a command, what surrounds it, or a function takes a parameter."""
    if callable(work):
        import inspect  # noqa: PLC0415 - only for functions

        try:
            taken = inspect.signature(work).parameters.values()
        except ValueError:
            return True
        return any(one.name == key for one in taken)
    texts = [work, *(around.get(name, "") for name in ("prepare", "cleanup", "stdin", "environment"))]
    return f"{{{key}}}" in " ".join(map(str, texts))


def _named(work: list[OwnWorkload]) -> dict[str, Definition]:
    own: dict[str, Definition] = {}
    for one in work:
        if one.name in own:
            raise UsageError(say(
                "api.same_name", "two workloads are called {name}: name them apart by tare.workload(…, name='…').",
                name=one.name,
            ))  # fmt: skip
        own[one.name] = one.definition
    return own
