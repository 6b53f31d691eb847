"""Declare the options that describe the user's own commands, and make definitions of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tare.bench.own.definition import Definition
    from tare.bench.request.request import Request

_OPTIONS = (
    "prepare",
    "cleanup",
    "metric",
    "ignore_failure",
    "show_output",
    "timeout",
    "duet",
    "cmd",
    "parameter",
)
"""Options of this module by the names of their values."""


def add_own_options(parser: argparse.ArgumentParser, *, several: bool) -> None:
    """Declare them; ``several``: also those for several commands, with parameters."""
    group = parser.add_argument_group(
        "your own commands", "see docs/own-workloads.md, also for definitions in TOML"
    )
    if several:
        group.add_argument(
            "-c", "--cmd", action="append", default=[], metavar="NAME=CMD",
            help="measure a command under a name, as in -c sort='sort -n {n}.txt'; may be repeated",
        )  # fmt: skip
        group.add_argument(
            "-p", "--parameter", action="append", default=[], metavar="NAME=A,B",
            help="measure once for each value, which stands for {NAME} in the commands; may be repeated",
        )  # fmt: skip
    group.add_argument("--prepare", metavar="CMD", help="command before each measured one, untimed")
    group.add_argument("--cleanup", metavar="CMD", help="command after each measured one, untimed")
    group.add_argument(
        "--metric", action="append", default=[], metavar="NAME[,UNIT][,lower|higher]=REGEX",
        help="number in the output, as in 'rps,ops/s,higher=([0-9.]+) req/s'; may be repeated",
    )  # fmt: skip
    group.add_argument("--ignore-failure", action="store_true", help="any exit status is fine")
    group.add_argument(
        "--duet", action="store_true", default=None,
        help="compare the CPU time of commands that run at the same time on one CPU, which a noisy host disturbs least; "
        "only for what can run beside its like (default: if a trial shows that they compute all the time)",
    )  # fmt: skip
    group.add_argument(
        "--no-duet", dest="duet", action="store_false", help="never run commands at the same time"
    )
    group.add_argument("--show-output", action="store_true", help="show what the commands print")
    group.add_argument(
        "--timeout", metavar="TIME", help="time for one run of a command, such as 90s (default: 5m)"
    )


def given_own_options(arguments: argparse.Namespace) -> list[str]:
    """List the options of this module that were given, as they are spelt."""
    return [f"--{name.replace('_', '-')}" for name in _OPTIONS if getattr(arguments, name, None)]


def with_own(request: Request, arguments: argparse.Namespace) -> Request:
    """Add what the options say of the user's own commands; else the definitions in TOML.

    Raises:
        UsageError: a value cannot be used, or belongs to no command.
    """
    given = given_own_options(arguments)
    if not set(given) - {"--show-output"} and not (request.command or request.resume):
        return _with_definitions(request, arguments)
    if not given:
        return request
    around = _around(arguments)
    commands = dict(map(_named_command, getattr(arguments, "cmd", ())))
    parameters = dict(map(_parameter, getattr(arguments, "parameter", ())))
    if len(commands) < len(getattr(arguments, "cmd", ())):
        raise UsageError(say("own.same_name", "-c: two commands have the same name."))
    if commands and request.command:
        raise UsageError(say("own.both_ways", "give commands by -c NAME=CMD or one behind --, not both."))
    request = replace(request, show_output=arguments.show_output)
    if not commands and not parameters:
        if not request.command and not request.resume and hasattr(arguments, "cmd"):
            raise UsageError(say(
                "own.option_alone",
                "{options}: there is no command to use it with: give -c NAME=CMD, or one behind --. What is defined in TOML says it there.",
                options=", ".join(given),
            ))  # fmt: skip
        return replace(request, around=around)
    words: dict[str, str | tuple[str, ...]] = {**commands}
    if request.command:
        words["command"] = request.command
    if not words:
        raise UsageError(say(
            "own.parameter_alone", "-p: there is no command to use it in: give -c NAME=CMD, or one behind --.",
        ))  # fmt: skip
    own = {name: _definition(name, text, around, parameters) for name, text in words.items()}
    used = {key for one in own.values() for key in one.parameters}
    if lost := next((key for key in parameters if key not in used), ""):
        names = ", ".join(own)
        raise UsageError(
            say("own.parameter_unused", "-p {lost}: {name} has no {{{lost}}} in it.", lost=lost, name=names)
        )
    return replace(request, own=own, only_own=True, command=())


def duets_are_open(arguments: argparse.Namespace) -> bool:
    """Tell whether a trial may decide on duets: they are neither asked for nor refused, and nothing that could be shared is prepared."""
    return arguments.duet is None and not (arguments.prepare or arguments.cleanup)


def _with_definitions(request: Request, arguments: argparse.Namespace) -> Request:
    if not hasattr(arguments, "prepare"):  # a command that measures nothing of the user's own
        return request
    from tare.bench.own.files import own_files, read_own  # noqa: PLC0415 - options are declared without it

    return replace(request, own=read_own(own_files(arguments.config)), show_output=arguments.show_output)


def _around(arguments: argparse.Namespace) -> Definition:
    from tare.bench.own.definition import DEFAULT_TIMEOUT, Definition  # noqa: PLC0415 - options are declared without it
    from tare.bench.own.metric_text import read_metric  # noqa: PLC0415
    from tare.bench.request import readers  # noqa: PLC0415

    timeout = DEFAULT_TIMEOUT
    if arguments.timeout:
        try:
            timeout = readers.seconds(arguments.timeout)
        except ValueError as error:
            raise UsageError(say(
                "own.bad_timeout", "--timeout {timeout!r}: {error}.",
                timeout=arguments.timeout, error=error,
            )) from error  # fmt: skip
    made = Definition(
        command=("true",),
        prepare=arguments.prepare or (),
        cleanup=arguments.cleanup or (),
        exit_codes="any" if arguments.ignore_failure else (0,),
        metrics=dict(read_metric(text, "--metric") for text in arguments.metric),
        family="command",
        timeout=timeout,
        duet="one" if arguments.duet else "",
    )
    return _checked(
        "command", made, {("prepare",): "--prepare", ("cleanup",): "--cleanup", ("metrics",): "--metric"}
    )


def _definition(
    name: str, text: str | Sequence[str], around: Definition, parameters: dict[str, tuple[str, ...]]
) -> Definition:
    import msgspec  # noqa: PLC0415 - options are declared without it

    command = text if isinstance(text, str) else tuple(text)
    # A parameter may be used by some of the commands only.
    everything = " ".join((str(command), str(around.prepare), str(around.cleanup)))
    used = {key: values for key, values in parameters.items() if f"{{{key}}}" in everything}
    made = msgspec.structs.replace(around, command=command, parameters=used)
    return _checked(name, made, {})


def _checked(name: str, made: Definition, options: dict[tuple[str, ...], str]) -> Definition:
    import msgspec  # noqa: PLC0415 - options are declared without it

    from tare.bench.own.checking import Problem, check  # noqa: PLC0415

    found = check(name, msgspec.to_builtins(made))
    if isinstance(found, Problem):
        keys = found.keys[2:]
        origin = options.get(
            keys[:1], f"-c {name}" if name != "command" else say("own.command", "the command")
        )
        what = f" {'.'.join(keys[1:])}" if keys[1:] else ""
        raise UsageError(
            say("own.option", "{origin}{what}: {text}", origin=origin, what=what, text=found.text)
        )
    return found


def _named_command(text: str) -> tuple[str, str]:
    name, sign, command = text.partition("=")
    if not sign or not re.fullmatch(r"[A-Za-z][\w.+-]*", name):
        raise UsageError(say(
            "own.bad_command", "-c {text!r}: give a name and a command, as in -c sort='sort -n file'.",
            text=text,
        ))  # fmt: skip
    return name, command


def _parameter(text: str) -> tuple[str, tuple[str, ...]]:
    name, sign, values = text.partition("=")
    found = tuple(part.strip() for part in values.split(","))
    if not sign or not re.fullmatch(r"[A-Za-z][\w.+-]*", name) or not all(found):
        raise UsageError(
            say("own.bad_parameter", "-p {text!r}: give a name and values, as in -p n=1,2,4.", text=text)
        )
    return name, found
