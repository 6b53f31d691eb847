"""Turn definitions into workloads, one for each combination of their parameters."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tare.bench.own.checking import split
from tare.bench.workloads.command import Command, CommandTerms, fill
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.bench.experiments.served_command import ServedCommand
    from tare.bench.experiments.serving import Readiness
    from tare.bench.own.definition import Definition, OwnServer, Ready, Value, Words

MOST_VARIANTS = 200
"""Combinations of parameters of one workload."""
_VALUE_CHARACTERS = 40
_UNFIT = re.compile(r"[^\w.+-]")


def expand(
    definitions: Mapping[str, Definition], *, image: str = "", show_output: bool = False
) -> tuple[Command | ServedCommand, ...]:
    """Make the workloads of all definitions.

    Args:
        definitions: name → definition.
        image: the image made elsewhere that the commands come from; empty: this host.
        show_output: tell the user what each job has printed.

    Raises:
        UsageError: a workload has too many variants, or two that cannot be told apart.
    """
    made = [
        _variant(name, one, chosen, image=image, show_output=show_output)
        for name, one in definitions.items()
        for chosen in _choices(name, one)
    ]
    names = [one.name for one in made]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(say(
            "own.alike", "{twice}: two values of its parameters look alike in names; give them apart.",
            twice=twice,
        ))  # fmt: skip
    return tuple(made)


def _choices(name: str, one: Definition) -> Iterator[dict[str, str]]:
    values = [
        [(key, text_of(value)) for value in dict.fromkeys(given)] for key, given in one.parameters.items()
    ]
    count = 1
    for given in values:
        count *= len(given)
    if count > MOST_VARIANTS:
        raise UsageError(say(
            "own.too_many", "{name} has {count} combinations of its parameters; {most_variants} are the most.",
            name=name, count=count, most_variants=MOST_VARIANTS,
        ))  # fmt: skip
    return (dict(pairs) for pairs in itertools.product(*values))


def text_of(value: Value) -> str:
    """Write a parameter's value as it stands in commands."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def variant_name(name: str, chosen: Mapping[str, str]) -> str:
    """Name a workload with its parameters: ``sort:n=1,mode=fast``."""
    shown = (f"{key}={_UNFIT.sub('_', value)[:_VALUE_CHARACTERS]}" for key, value in chosen.items())
    return f"{name}:{','.join(shown)}" if chosen else name


def _variant(
    name: str, one: Definition, chosen: Mapping[str, str], *, image: str, show_output: bool
) -> Command | ServedCommand:
    whole = variant_name(name, chosen)
    client = Command(
        argv=_words(one.command, chosen),
        terms=terms_of(one, chosen, show_output=show_output),
        name=whole,
        family=one.family,
        program=f"own-{whole}",
        image=image,
        chosen=tuple(chosen.items()),
        group=name if chosen else "",
        about=one.summary,
        identity=fill(one.identity, chosen),
    )
    return _served(client, one.server, chosen) if one.server else client


def _served(client: Command, server: OwnServer, chosen: Mapping[str, str]) -> ServedCommand:
    from tare.bench.experiments.served_command import ServedCommand  # noqa: PLC0415 - few commands have servers

    return ServedCommand(
        client=client,
        server=_words(server.command, chosen),
        server_prepare=_words(server.prepare, chosen),
        ready=_readiness(server.ready),
        where=server.client,
        port=server.port,
        socket=server.socket,
        warmups=server.warmups,
    )


def _readiness(ready: Ready) -> Readiness:
    from tare.bench.experiments.serving import Readiness  # noqa: PLC0415 - as above

    by: Literal["line", "http", "listens", "port"] = (
        "line" if ready.line else "http" if ready.http else "listens" if ready.listens else "port"
    )
    return Readiness(by, path=ready.http or "/", pattern=ready.line, timeout_seconds=ready.timeout)


def terms_of(one: Definition, chosen: Mapping[str, str], *, show_output: bool = False) -> CommandTerms:
    """Give everything that a definition says of its command besides its words."""
    return CommandTerms(
        prepare=_words(one.prepare, chosen),
        cleanup=_words(one.cleanup, chosen),
        stdin=fill(one.stdin, chosen),
        environ=tuple((key, fill(text, chosen)) for key, text in one.environment.items()),
        carry=tuple(map(Path, one.carry)),
        exit_codes=None if one.exit_codes == "any" else one.exit_codes,
        timeout_seconds=one.timeout,
        metrics=tuple(one.metrics.items()),
        show_output=show_output,
        duet=one.duet,
    )


def _words(command: Words, chosen: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(fill(word, chosen) for word in split(command))
