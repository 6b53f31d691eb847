"""Implement ``tare fleet``: measure one plan on many hosts, and compare them by their ratios to their own bare metal."""

from __future__ import annotations

import datetime
import json
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tare.bench.commands.shared.options import add_label_option, add_request_options, request_from
from tare.bench.commands.shared.own_options import add_own_options, with_own
from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.commands.shared.tables import aligned
from tare.bench.errors import EnvironmentMissing, Exit
from tare.bench.fleet.sentences import STATUSES
from tare.bench.request import layers, readers
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tare.bench.request.request import Request
    from tare.reports.content.fleet import FleetPage
    from tare.results.storage.fleet import Fleet

_WAIT_SECONDS = 60.0

_HEADS = (
    say("terminal.host", "host"),
    say("terminal.host_class", "host class"),
    say("terminal.status", "status"),
    say("terminal.trials", "trials"),
    say("terminal.number_of_runs", "runs"),
)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare where the hosts are, what is measured there, and the outputs."""
    where = parser.add_argument_group("hosts", "see docs/fleet.md")
    where.add_argument(
        "--hosts",
        metavar="A,B",
        help="hosts to reach by ssh, as ssh calls them; nothing listens on the network",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="scheduler of a running Dask cluster, such as tcp://127.0.0.1:8786",
    )
    where.add_argument(
        "--remote-python", default="python3", metavar="FILE", help="with --hosts: Python there that has tare"
    )
    where.add_argument(
        "--wait", metavar="TIME", help="time to wait for the first host, and for a lost one (default: 60s)"
    )
    parser.add_argument(
        "--resume", metavar="CAMPAIGN", help="go on with a campaign: its id, the beginning of it, or `latest`"
    )
    parser.add_argument(
        "--page", metavar="CAMPAIGN", help="only compare a campaign's hosts and write its page again"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_request_options(parser)
    add_own_options(parser, several=True)
    add_label_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure, or go on with it; write the page; the exit code says how the campaign ended."""
    from tare.results.storage.fleet import read_fleet  # noqa: PLC0415 - options are declared without it

    settings = layers.resolve(arguments)
    if arguments.page:
        fleet = read_fleet(settings.output.results_dir, arguments.page)
        return _conclude(fleet, arguments)
    if bool(arguments.hosts) == bool(arguments.scheduler):
        raise UsageError(
            say("fleet.no_hosts", "give the hosts, either by --hosts A,B or by --scheduler tcp://HOST:PORT.")
        )
    folder = settings.output.results_dir
    fleet = _again(read_fleet(folder, arguments.resume)) if arguments.resume else _new(_request(arguments))
    return _conclude(_measured(fleet, arguments, folder), arguments)


def _request(arguments: argparse.Namespace) -> Request:
    return with_own(request_from(arguments), arguments)


def _again(fleet: Fleet) -> Fleet:
    """Forget the hosts of a campaign that nothing came in from; they count again when they come."""
    import msgspec  # noqa: PLC0415 - options are declared without it

    return msgspec.structs.replace(
        fleet, hosts={host: entry for host, entry in fleet.hosts.items() if entry.runs}
    )


def _new(request: Request) -> Fleet:
    """Make a campaign of a request; all hosts shuffle by the same seed."""
    from tare.bench.request.record import request_to_record  # noqa: PLC0415 - options are declared without it
    from tare.results.storage.fleet import VERSION, Fleet  # noqa: PLC0415
    from tare.results.storage.store import new_run_id  # noqa: PLC0415

    if request.settings.run.seed is None:
        request = request.with_run(seed=secrets.randbelow(1 << 31))
    return Fleet(
        version=VERSION,
        campaign=new_run_id(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        request=request_to_record(request),
        offline=request.offline,
        labels=dict(request.labels),
    )


def _measured(fleet: Fleet, arguments: argparse.Namespace, results_dir: Path) -> Fleet:
    """Measure a campaign on its hosts, and return what became of them.

    Raises:
        EnvironmentMissing: Dask or ssh is missing, or no host came.
    """
    from importlib.metadata import version  # noqa: PLC0415 - options are declared without it

    from tare.bench.fleet.dask import connected  # noqa: PLC0415
    from tare.bench.fleet.director import Director  # noqa: PLC0415
    from tare.bench.fleet.inbox import Inbox  # noqa: PLC0415
    from tare.bench.progress import Lines  # noqa: PLC0415
    from tare.results.storage.fleet import write_fleet  # noqa: PLC0415

    tell, wait = Lines(language=speaker_of(arguments).language).say, _wait(arguments)
    with ExitStack() as stack:
        address, hosts, unreached = _cluster(arguments, tell, stack)
        cluster = stack.enter_context(connected(address, fleet.campaign))
        write_fleet(results_dir, fleet)
        tell(say("progress.campaign", "campaign {campaign}", campaign=fleet.campaign))
        ended = Director(
            fleet,
            cluster,
            Inbox(results_dir),
            lambda now: write_fleet(results_dir, now),
            tell,
            version("tarebench"),
            argv=arguments.argv,
            wait_seconds=wait,
            expected=hosts,
            unreached=unreached,
        ).run()
    if not ended.hosts:
        raise EnvironmentMissing(say(
            "fleet.no_worker",
            "no worker came within {wait} s: start some by `dask worker {address} --nthreads 1`, then `tare fleet --resume {campaign}`.",
            wait=f"{wait:g}", address=address, campaign=fleet.campaign,
        ))  # fmt: skip
    return ended


def _cluster(
    arguments: argparse.Namespace, tell: Callable[[str], object], stack: ExitStack
) -> tuple[str, int, Callable[[], Mapping[str, str]]]:
    """Give the scheduler's address, the number of hosts to await, and who tells which cannot be reached."""
    from tare.bench.fleet.ssh import read_hosts, ssh_cluster  # noqa: PLC0415 - options are declared without it

    if not arguments.hosts:
        return arguments.scheduler, 1, dict
    names = read_hosts(arguments.hosts)
    address, reached = stack.enter_context(ssh_cluster(names, arguments.remote_python, tell))
    return address, len(names), reached.unreached


def _wait(arguments: argparse.Namespace) -> float:
    if arguments.wait is None:
        return _WAIT_SECONDS
    try:
        return readers.seconds(arguments.wait)
    except ValueError as error:
        raise UsageError(
            say("fleet.bad_wait", "--wait {wait!r}: {error}.", wait=arguments.wait, error=error)
        ) from error


def _conclude(fleet: Fleet, arguments: argparse.Namespace) -> int:
    """Compare the hosts, write the page, and print the summary; the last line is the page's path."""
    from tare.bench.analysis.fleet import compare_hosts, summary_rows, write_page  # noqa: PLC0415 - imports pandas

    output = layers.resolve(arguments).output
    compared = compare_hosts(fleet, output.results_dir, output.reports_dir)
    page = write_page(fleet, compared, output.reports_dir, output.language)
    if arguments.json:
        print(json.dumps(_as_json(fleet, compared, page), indent=2))
    else:
        speaker = speaker_of(arguments)
        hosts = [tuple(map(speaker.tell, _HEADS))]
        for host in fleet.hosts.values():
            status = speaker.tell(STATUSES[host.status])
            told = f"{status}: {speaker.tell(host.reason)}" if host.reason else status
            number = str(compared.trials.get(host.host, 0))
            hosts.append((host.host, host.host_class or "-", told, number, " ".join(host.runs)))
        print("\n".join(aligned(hosts)), end="\n\n")
        if compared.costs:
            rows = [tuple(map(speaker.tell, row)) for row in summary_rows(compared)]
            print("\n".join(aligned(rows)), end="\n\n")
        for one in compared.skipped:
            speaker.out(say(
                "terminal.left_out_on", "{runner} was left out on {hosts}: {reason}",
                runner=one.runner, hosts=", ".join(one.hosts), reason=one.reason,
            ))  # fmt: skip
        print(page)
    return _exit_code(fleet)


def _exit_code(fleet: Fleet) -> Exit:
    states = {host.status for host in fleet.hosts.values()}
    if "interrupted" in states:
        return Exit.INTERRUPTED
    if not states or states == {"unable"}:
        return Exit.ENVIRONMENT
    return Exit.OK if states == {"complete"} else Exit.SOME_FAILED


def _as_json(fleet: Fleet, compared: FleetPage, page: Path) -> dict[str, object]:
    import msgspec  # noqa: PLC0415 - only here

    return {
        "campaign": fleet.campaign,
        "page": str(page),
        "hosts": [
            {**msgspec.to_builtins(host), "trials": compared.trials.get(host.host, 0)}
            for host in fleet.hosts.values()
        ],
        "costs": [
            {
                "workload": one.key.workload,
                "parameters": json.loads(one.key.parameters),
                "runner": one.key.runner,
                "by": one.key.what,
                "host_class": one.host_class,
                "cost": msgspec.to_builtins(one.cost),
                "between_hosts": one.spread,
                "verdict": one.verdict,
                "hosts": {each.host: msgspec.to_builtins(each.cost) for each in one.hosts},
            }
            for one in compared.costs
        ],
        "skipped": [
            {"runner": one.runner, "reason": one.reason, "hosts": list(one.hosts)} for one in compared.skipped
        ],
    }
