"""Compare the hosts of a campaign, and write its page and its summary."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from tare.bench.analysis.styles import runner_styles
from tare.reports.content.fleet import FleetPage, Skipped, sections
from tare.reports.exports.series import case_title
from tare.reports.model import PAGES
from tare.reports.render.html.render import Document, render_document
from tare.reports.summaries.cases import single_cases
from tare.reports.summaries.names import titled
from tare.reports.summaries.runners import RunnerDisplay
from tare.reports.text import numbers
from tare.reports.text.words import quotable, words
from tare.results.errors import NotWritten, ResultError
from tare.results.judgement.across_hosts import HostRun, across_hosts
from tare.results.judgement.within_run import compare_within
from tare.results.origins import recall
from tare.results.said import Name, say
from tare.results.storage.atomic import write_whole
from tare.results.storage.fleet import FOLDER
from tare.results.storage.load import load_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tare.reports.model import Language
    from tare.results.judgement.across_hosts import ClassCost
    from tare.results.storage.fleet import Fleet


def compare_hosts(fleet: Fleet, results_dir: Path, reports_dir: Path) -> FleetPage:
    """Read the runs of a campaign, one at a time, and compare its hosts. Runs that cannot be read count as not there."""
    compared: list[HostRun] = []
    trials: Counter[str] = Counter()
    skips: dict[tuple[str, str], dict[str, None]] = {}
    for host in fleet.hosts.values():
        for name in host.runs:
            try:
                run = load_run(results_dir / name)
                for trial in run.trials():
                    trials[host.host] += trial.outcome == "ok"
                    if trial.outcome == "skipped":
                        recall(trial.said)
                        skips.setdefault((trial.runner, trial.reason), {})[host.host] = None
                compared.append(HostRun(host.host, host.host_class, compare_within(run)))
            except ResultError:
                continue
    costs = across_hosts(compared)
    display = RunnerDisplay(runner_styles())
    return FleetPage(
        hosts=tuple(fleet.hosts.values()),
        trials=trials,
        costs=costs,
        titles=_titles(costs),
        colors={one.key.runner: display.color(one.key.runner) for one in costs},
        reports={run: _report(run, reports_dir) for host in fleet.hosts.values() for run in host.runs},
        skipped=tuple(Skipped(runner, reason, tuple(hosts)) for (runner, reason), hosts in skips.items()),
    )


def _titles(costs: list[ClassCost]) -> dict[tuple[str, bytes], str]:
    full = {
        (one.key.workload, one.key.parameters): case_title(
            one.key.workload, msgspec.json.decode(one.key.parameters)
        )
        for one in costs
    }
    plain = single_cases((workload, title) for (workload, _), title in full.items())
    return {key: key[0] if key[0] in plain else title for key, title in full.items()}


def _report(run: str, reports_dir: Path) -> str:
    page = reports_dir / run / PAGES["en"]
    return quote(os.fsencode(os.path.join("..", run, PAGES["en"]))) if page.is_file() else ""  # noqa: PTH118 - a link


def write_page(fleet: Fleet, compared: FleetPage, reports_dir: Path, language: Language = "en") -> Path:
    """Write the page of a campaign, and return its path.

    Raises:
        NotWritten: the folder of the reports cannot be written.
    """
    spoken = words(language)
    page = Document(
        spoken,
        spoken("fleet.title", campaign=fleet.campaign),
        spoken("fleet.facts", created=fleet.created, seed=fleet.request.settings.get("run.seed")),
        sections(compared, spoken),
        spoken("fleet.made"),
    )
    path = reports_dir / FOLDER / f"{fleet.campaign}.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, render_document(page).encode("utf-8", "surrogatepass"))
    except OSError as error:
        raise NotWritten(say(
            "file.no_report", "cannot write {path}: {strerror}. Choose another --reports-dir.",
            path=path, strerror=error.strerror,
        )) from error  # fmt: skip
    return path


def summary_rows(compared: FleetPage) -> Iterator[tuple[str, ...]]:
    """Give the rows of the terminal's table of costs by host class, titles first."""
    yield (
        say("terminal.workload", "workload"),
        say("terminal.runner", "runner"),
        say("terminal.by", "by"),
        say("terminal.host_class", "host class"),
        say("terminal.hosts", "hosts"),
        say("terminal.cost", "cost"),
        say("terminal.between_hosts", "between hosts"),
    )
    spoken = quotable()
    for one in compared.costs:
        spread = "-" if one.spread is None else f"±{numbers.percent(one.spread)}"
        title = compared.titles[one.key.workload, one.key.parameters]
        cost = numbers.cost(one.cost)
        yield (
            titled(one.key.workload, Name(title), spoken),
            Name(one.key.runner),
            one.key.what,
            Name(one.host_class),
            str(len(one.hosts)),
            cost,
            spread,
        )
