"""Check definitions, and say what is wrong with one in a sentence that names the line and what was probably meant."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, cast, get_args

import msgspec
from msgspec import Meta

from tare.bench.own.definition import NAME, Definition, OwnServer, Ready, Values
from tare.bench.own.wording import NAME_RULE, in_our_words
from tare.bench.workloads.output_metrics import METRIC_NAME, MetricRule
from tare.results.nearest import did_you_mean
from tare.results.said import say, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.bench.own.definition import Words

AROUND = frozenset({"scratch", "here", "cpus"})
"""Words in braces that every command may have."""
OF_SERVERS = frozenset({"listen", "address", "port", "socket"})
"""Words in braces that the commands of a workload with a server may have."""
_RESERVED = frozenset({"command", "image", "server", "client"})
"""Names that the parameters of a record have already."""
_SHELL = re.compile(r"(^|\s)(\||\|\||&&|;|>|>>|<|2>|&)(\s|$)|\$\(|`")


class Problem(msgspec.Struct, frozen=True):
    """Something wrong with a definition."""

    keys: tuple[str, ...]
    """Way to it in the file: ``("workloads", "sort", "timeout")``."""
    text: str
    """Sentence that says what is wrong and what would be right."""


class _Invalid(Exception):
    """The first problem of a definition."""

    def __init__(self, text: str, *keys: str) -> None:
        super().__init__(text)
        self.keys = keys


def check(name: str, raw: object) -> Definition | Problem:
    """Turn the table of a definition into one, or say what is wrong with it first."""
    keys = ("workloads", name)
    if not re.fullmatch(NAME, name):
        return Problem(keys, say("own.sentence", "{what}.", what=NAME_RULE))
    try:
        definition = _convert(raw)
        _check_parts(definition)
    except _Invalid as error:
        return Problem((*keys, *error.keys), str(error))
    return definition


def _convert(raw: object) -> Definition:
    if not isinstance(raw, dict):
        raise _Invalid(say("own.no_table", "a workload is a table, as under [workloads.NAME]."))
    _check_keys(raw)
    # By themselves, since msgspec does not name the keys of a table.
    for table, kind in (("metrics", MetricRule), ("parameters", Values), ("environment", str)):
        inner = raw.get(table)
        for name, given in inner.items() if isinstance(inner, dict) else ():
            _converted(given, kind, table, name)
    return cast("Definition", _converted(raw, Definition))


def _converted(raw: object, kind: Any, *above: str) -> object:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        found = re.findall(r"\.([\w-]+)|\[(\d+|\.\.\.)\]", path.rstrip("`"))
        keys = [key for key, _ in found if key]
        raise _Invalid(
            say("own.offered", "{what}{offered}", what=in_our_words(what), offered=_offered(kind, keys)),
            *above,
            *keys,
        ) from None


def _offered(kind: Any, keys: list[str]) -> str:
    """List what can be given where only some words, or one of two types, can: msgspec tells neither."""
    known: Any = kind
    for key in keys:
        fields = {one.encode_name: one.type for one in msgspec.structs.fields(known)}
        known = fields.get(key)
        known = next(
            (each for each in _parts(known) if isinstance(each, type) and issubclass(each, msgspec.Struct)),
            known,
        )
    words = [repr(each) for each in _parts(known) if isinstance(each, str) and each]
    if not words:
        return "."
    names = ", ".join(words)
    if keys == ["exit_codes"]:
        return say("own.give_or_list", "; give {names} or a list of whole numbers.", names=names)
    return say("own.give", "; give {names}.", names=names)


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield what an annotation is made of: types, and the words of ``Literal``."""
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for each in inner:
        if not isinstance(each, Meta):
            yield from _parts(each)


def _check_keys(raw: dict[str, Any]) -> None:
    """Refuse keys that there are not, before anything else: a misspelt one explains what is missing."""
    for struct, table, *keys in _tables(raw):
        if isinstance(table, dict):
            known = [one.encode_name for one in msgspec.structs.fields(struct)]
            for key in table:
                if key not in known:
                    hint = did_you_mean(key, known)
                    raise _Invalid(
                        say(
                            "own.no_key",
                            "there is no {key!r} here{hint} There are {known}.",
                            key=key,
                            hint=hint,
                            known=", ".join(known),
                        ),
                        *keys,
                        key,
                    )


def _tables(raw: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield each table with its type and the way to it."""
    yield Definition, raw
    server = raw.get("server")
    yield OwnServer, server, "server"
    if isinstance(server, dict):
        yield Ready, server.get("ready"), "server", "ready"
    metrics = raw.get("metrics")
    for name, rule in metrics.items() if isinstance(metrics, dict) else ():
        yield MetricRule, rule, "metrics", name


def _check_parts(one: Definition) -> None:
    for name, rule in one.metrics.items():
        if not re.fullmatch(METRIC_NAME, name):
            raise _Invalid(
                say(
                    "own.metric_name",
                    "the name of a metric begins with a letter and has letters, digits, _ and - only.",
                ),
                "metrics",
                name,
            )
        if why := rule.problem():
            raise _Invalid(say("own.sentence", "{what}.", what=why), "metrics", name)
    if sum(rule.primary for rule in one.metrics.values()) > 1:
        raise _Invalid(say("own.one_primary", "only one metric can be primary."), "metrics")
    if not all(one.carry):
        raise _Invalid(say("own.no_path", "an empty text names no file."), "carry")
    _check_environment(one.environment)
    for name, values in one.parameters.items():
        if any("\0" in value for value in values if isinstance(value, str)):
            raise _Invalid(
                say("own.zero_in_value", "a value cannot have the character 0 in it."), "parameters", name
            )
        if not re.fullmatch(NAME, name) or name in _RESERVED | AROUND | OF_SERVERS:
            raise _Invalid(
                say(
                    "own.parameter_name",
                    "a parameter cannot be called {name!r}: give it another name.",
                    name=name,
                ),
                "parameters",
                name,
            )
    if one.server:
        _check_server(one.server)
    _check_commands(one)


def _check_environment(environment: Mapping[str, str]) -> None:
    for name, text in environment.items():
        if not name or "=" in name or "\0" in name + text:
            raise _Invalid(
                say(
                    "own.variable_name",
                    "{name}: a variable has a name without =, and no character 0 in it.",
                    name=quoted(name),
                ),
                "environment",
                name,
            )


def _check_server(server: OwnServer) -> None:
    if server.port and server.socket:
        raise _Invalid(
            say("own.port_or_socket", "a server has either a port or a socket."), "server", "socket"
        )
    if sum(map(bool, (server.ready.line, server.ready.http, server.ready.listens))) > 1:
        raise _Invalid(say("own.one_sign", "give one of line, http and listens."), "server", "ready")
    if server.ready.listens and server.socket:
        raise _Invalid(
            say("own.listens_at_port", "a server with a socket has no port to listen at."),
            "server",
            "ready",
            "listens",
        )
    if server.ready.http and (server.socket or not re.fullmatch(r"/[!-~]*", server.ready.http)):
        why = (
            say("own.http_at_port", "a server with a socket is not asked by HTTP")
            if server.socket
            else say("own.http_path", "a path begins with / and has no blanks")
        )
        raise _Invalid(say("own.sentence", "{what}.", what=why), "server", "ready", "http")
    try:
        re.compile(server.ready.line.encode(), re.MULTILINE)
    except re.error as error:
        raise _Invalid(
            say("own.bad_regex", "the regular expression cannot be used: {error}.", error=error),
            "server",
            "ready",
            "line",
        ) from None


def _check_commands(one: Definition) -> None:
    texts: dict[tuple[str, ...], Words] = {
        ("command",): one.command,
        ("prepare",): one.prepare,
        ("cleanup",): one.cleanup,
    }
    if one.server:
        texts |= {("server", "command"): one.server.command, ("server", "prepare"): one.server.prepare}
    used: set[str] = set()
    for keys, command in texts.items():
        words = split(command, keys)
        if not any(words[:1]) and (words or keys[-1] == "command"):
            raise _Invalid(say("own.empty", "the command is empty."), *keys)
        if any("\0" in word for word in words):
            raise _Invalid(
                say("own.zero_in_word", "a word of a command cannot have the character 0 in it."), *keys
            )
        used |= {name for word in words for name in _in_braces(word)}
    used |= {name for text in (one.stdin, *one.environment.values()) for name in _in_braces(text)}
    _check_used(one, used)


def _check_used(one: Definition, used: set[str]) -> None:
    """Refuse a parameter that nothing depends on, and the address of a server that there is not.

    Other words in braces are left alone: they are part of many languages.
    """
    for name in one.parameters:
        if name not in used:
            near = did_you_mean(name, used - AROUND)
            raise _Invalid(
                say("own.name_unused", "no command has {{{name}}} in it{near}", name=name, near=near),
                "parameters",
                name,
            )
    if not one.server and (lost := sorted(used & OF_SERVERS - set(one.parameters))):
        raise _Invalid(
            say(
                "own.no_server",
                "{{{lost}}} is that of a server, and there is none: add [workloads.NAME.server].",
                lost=lost[0],
            ),
            "command",
        )


def _in_braces(text: str) -> list[str]:
    return re.findall(rf"\{{({NAME})\}}", text)


def split(command: Words, keys: tuple[str, ...] = ("command",)) -> tuple[str, ...]:
    """Split a command line into words.

    Raises:
        _Invalid: it cannot be split, or was written for a shell.
    """
    if not isinstance(command, str):
        return command
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise _Invalid(
            say(
                "own.command_not_split",
                "{command} cannot be split into words: {error}.",
                command=quoted(command),
                error=error,
            ),
            *keys,
        ) from None
    if _SHELL.search(re.sub(r"'[^']*'|\"[^\"]*\"", "x", command)):
        raise _Invalid(
            say(
                "own.for_a_shell",
                "{command} is written for a shell, but no shell runs it: put it into sh -c '…'.",
                command=quoted(command),
            ),
            *keys,
        )
    return words


def quoted(text: str) -> str:
    """Quote a text of the user's, cut to a length that can be read."""
    return repr(shown(text))
