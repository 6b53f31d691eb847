"""Parse the command line of ``tare`` and run the command that it names. Nothing else in the suite exits."""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tare.bench.commands.shared.parser import Parser, refuse_rest
from tare.bench.console import guarded, occupy_closed_descriptors
from tare.bench.errors import Exit
from tare.results.errors import NotWritten, ResultError
from tare.results.garbage import no_collection
from tare.results.said import say
from tare.runners.errors import SettingRefused, TareError, UsageError
from tare.runners.host.umask import keep_own_access

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from tare.reports.model import Language

COMMANDS = {
    "doctor": "show what this host can run, what it cannot, why, and how to change that",
    "plan": "list what would run and how long it will take",
    "run": "measure; also your own command: tare run -- CMD ARGS...",
    "workloads": "list all workloads, or check a file with your own",
    "ab": "measure two versions of a command side by side; exit 1 on a regression",
    "fleet": "measure one plan on many hosts, by Dask, and compare them",
    "calibrate": "measure the false-alarm rate and the power of the judgement on this host",
    "compare": "compare two runs; exit 1 on a regression",
    "baseline": "keep runs to compare with, by host class: save, list, use",
    "history": "list every series over all runs of a host class, and where it changed",
    "config": "show every setting and, with --show-origin, where its value comes from",
    "list": "list the stored runs: date, host class, commit, labels and verdicts",
    "show": "give the answer of a stored run again, in the terminal",
    "open": "open the report of a run in a browser",
    "report": "write the report of a run again",
    "claims": "judge the claims of a study note on containers and virtual machines by a run",
    "import": "turn another tool's results into a run",
    "export": "write a run in the format of another tool",
    "store": "keep runs in a folder, a git branch or an object store: push, pull, list, prune",
    "sql": "ask about all runs at once, in SQL",
    "clean": "remove what killed runs left on this host",
}
"""Name → one-line summary. Each command is a module ``tare.bench.commands.<name>`` as :class:`Command` describes; only
the one that is called is imported."""

TAKE_COMMAND = ("run", "plan", "ab", "fleet")
"""Commands that take the user's own command line behind ``--``."""


_HELP = frozenset({"-h", "--help"})


LONGEST_MESSAGE = 4000
"""Characters of an error's text that are shown: it may quote a name or value of any length from a damaged file."""


class Command(Protocol):
    """Interface of a module of ``tare.bench.commands``."""

    def options(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's options."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Execute the command and return the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Foreseen errors become one line on stderr, never a traceback."""
    occupy_closed_descriptors()
    keep_own_access()
    words = list(sys.argv[1:] if argv is None else argv)
    signal.signal(signal.SIGTERM, _as_interrupt)
    atexit.register(_leave_garbage)
    with guarded() as (out, _err):
        code = _run(words)
        out.flush()
        if out.failure and code == Exit.OK:
            told = say(
                "cli.no_output", "cannot write to standard output: {error}", error=out.failure.strerror
            )
            return _fail(told, Exit.ENVIRONMENT, words)
        return code


def _leave_garbage() -> None:
    """Let what is left end with the process: a search for garbage in it takes a quarter of a second after a report.

    DuckDB's objects have to be found, though. What is not released before Python ends is released by a destructor of
    C++ after it, and since Python 3.14 that aborts the process.
    """
    if "duckdb" not in sys.modules:
        gc.freeze()


def _run(words: list[str]) -> int:
    try:
        with no_collection():
            arguments, command = _parse(words)
        return _call(command, arguments, words)
    except SystemExit as end:  # argparse has said what it had to
        return int(end.code or 0)
    except (UsageError, ResultError) as error:
        return _fail(error, Exit.ENVIRONMENT if isinstance(error, NotWritten) else Exit.USAGE, words)
    except TareError as error:
        return _fail(error, Exit.ENVIRONMENT, words)
    except KeyboardInterrupt as error:
        return _fail(str(error) or say("status.interrupted", "interrupted"), Exit.INTERRUPTED, words)
    except Exception as error:  # noqa: BLE001 - the last handler: CI must not take a crash for a regression
        return _unforeseen(error, words)


def _unforeseen(error: Exception, words: Sequence[str]) -> int:
    """Tell a fault of the host from a crash, of which a report is kept."""
    from tare.bench.crash import keep  # noqa: PLC0415 - only then
    from tare.bench.host_faults import host_fault, no_more_threads  # noqa: PLC0415

    if told := host_fault(error) if isinstance(error, OSError) else no_more_threads(error):
        return _fail(told, Exit.ENVIRONMENT, words)
    kept = keep(error, words)
    nowhere = say("cli.no_crash_report", "no report of it could be written")
    where = say("cli.crash_report", "what is known of it is in {path}", path=kept) if kept else nowhere
    told = say(
        "cli.crash", "an unexpected error ({kind}: {error}); {where}. Please report it.",
        kind=type(error).__name__, error=error, where=where,
    )  # fmt: skip
    return _fail(told, Exit.CRASHED, words)


def _call(command: Command, arguments: argparse.Namespace, words: Sequence[str]) -> int:
    """Run a command; of a setting that turns out to make no sense, say which layer it comes from."""
    try:
        return command.run(arguments)
    except SettingRefused as error:
        from tare.bench.request.layers import named  # noqa: PLC0415 - only then

        return _fail(f"{named(error.option, arguments)}: {_told(error.why, words)}", Exit.USAGE)


def build_parser(*wanted: str) -> tuple[Parser, dict[str, Parser], dict[str, Command]]:
    """Declare all commands, and the options of the wanted ones, whose modules are imported for that.

    Returns:
        The parser, and by the wanted commands' names their own parsers and their modules.
    """
    parser = Parser(
        prog="tare",
        description="Weigh the boxes that software runs in: bare metal, namespace containers, KVM guests.",
        epilog="exit codes: 0 fine, 1 regression, 2 usage, 3 environment missing, 4 some cases failed, 70 crashed, 130 interrupted",
    )
    parser.add_argument("--version", action="store_true", help="show version and exit")
    parser.add_argument(
        "--print-completion", metavar="SHELL", help="print completions for a shell, such as bash, and exit"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    parsers: dict[str, Parser] = {}
    modules: dict[str, Command] = {}
    for name, summary in COMMANDS.items():
        sentence = f"{summary[0].upper()}{summary[1:].removesuffix('...')}{'...' if summary.endswith('...') else '.'}"
        sub = commands.add_parser(name, help=summary, description=sentence)
        if name in wanted:
            modules[name] = importlib.import_module(f"tare.bench.commands.{name}")
            modules[name].options(sub)
            parsers[name] = sub
    return parser, parsers, modules


def _parse(words: list[str]) -> tuple[argparse.Namespace, Command]:
    own = words[: words.index("--")] if "--" in words else words
    helps = not _HELP.isdisjoint(own)
    # Of a call for help, the language may stand before the command, too.
    given = _with_language(own)[1] if helps else own
    chosen = next((word for word in given if not word.startswith("-")), "")
    parser, parsers, modules = build_parser(chosen)
    if helps or not chosen:
        _speak(parser, own)
    speaker = parsers.get(chosen, parser)
    arguments, rest = parser.parse_known_args(given)
    refuse_rest(speaker, rest)
    arguments.trailing = words[len(own) + 1 :]
    arguments.argv = ("tare", *words)
    if arguments.version:
        from importlib.metadata import version  # noqa: PLC0415 - 20 ms that only --version needs

        print(f"tare {version('tarebench')}")
        raise SystemExit(Exit.OK)
    if arguments.print_completion is not None:
        print(_completion(arguments.print_completion))
        raise SystemExit(Exit.OK)
    if arguments.command is None:
        parser.print_help()
        raise SystemExit(Exit.USAGE)
    if len(own) < len(words):
        _check_trailing(arguments)
    return arguments, modules[arguments.command]


def _speak(parser: Parser, own: list[str]) -> None:
    """Let the parser print its help in the language of the terminal."""
    if (language := _language(own)) != "en":
        from tare.bench.commands.shared.help import speak  # noqa: PLC0415 - only then

        speak(parser, language)


def _completion(shell: str) -> str:
    """Write the completions of all commands and options for a shell.

    Raises:
        UsageError: shtab knows no such shell.
    """
    import shtab  # noqa: PLC0415 - needed only here

    if shell not in shtab.SUPPORTED_SHELLS:
        raise UsageError(say(
            "cli.no_shell", "--print-completion: there is {names}, not {shell!r}.",
            names=", ".join(shtab.SUPPORTED_SHELLS), shell=shell,
        ))  # fmt: skip
    parser, _, _ = build_parser(*COMMANDS)
    return str(shtab.complete(parser, shell=shell))


def _check_trailing(arguments: argparse.Namespace) -> None:
    """Refuse ``--`` with nothing behind it, which would measure everything, and where no command is taken.

    Raises:
        UsageError: either is the case.
    """
    if arguments.command not in TAKE_COMMAND:
        raise UsageError(say(
            "cli.takes_no_command", "tare {command} takes no command behind --; tare run -- CMD ARGS... does.",
            command=arguments.command,
        ))  # fmt: skip
    if not arguments.trailing or not arguments.trailing[0].strip():
        raise UsageError(say(
            "cli.no_command_behind",
            "there is no command behind --: give one, as in tare run -- /bin/true, or leave -- away to measure the suite's workloads.",
        ))  # fmt: skip


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _told(text: str, words: Sequence[str] = ()) -> str:
    """Repeat an error's text in the language of the terminal."""
    from tare.results.origins import origin  # noqa: PLC0415 - only then

    if not origin(text):
        return text
    from tare.bench.progress import teller  # noqa: PLC0415 - as above

    return teller(_language(words))(text)


def _language(words: Sequence[str]) -> Language:
    """Choose the language by ``--lang`` and ``--config`` alone: the command's own parser may be what refuses the words."""
    from tare.bench.request.language import language_of  # noqa: PLC0415 - as above

    own = words[: words.index("--")] if "--" in words else words
    found, _ = _with_language(own)
    return language_of(found.lang, found.config)


def _with_language(own: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Find ``--lang`` and ``--config`` among a command's words, and give the other words beside them."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--lang")
    parser.add_argument("--config", type=Path)
    try:
        return parser.parse_known_args(own)
    except argparse.ArgumentError:  # one of them has no value
        return argparse.Namespace(lang=None, config=None), list(own)


def _fail(error: BaseException | str, code: Exit, words: Sequence[str] = ()) -> int:
    text = _told(str(error), words)
    if len(text) > LONGEST_MESSAGE:
        text = f"{text[: LONGEST_MESSAGE // 2]} … {text[-LONGEST_MESSAGE // 2 :]}"
    print(f"tare: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
