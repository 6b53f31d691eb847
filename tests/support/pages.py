"""Write pages of all kinds from made-up results, in both languages: what a browser is asked to open."""

from __future__ import annotations

import datetime
import itertools
import json
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from support.fleet_double import REQUEST
from support.results_making import metric, trial, write_run
from support.synthetic import make_input
from support.verdicts import compared, cpu, estimate
from tare.bench.analysis.fleet import write_page
from tare.bench.analysis.gate_report import GateReport
from tare.bench.analysis.history import Histories, History, HistoryPoint
from tare.bench.analysis.listing import VerdictCounts, keep_verdicts
from tare.bench.analysis.pages import write_comparison, write_history, write_index
from tare.reports.build import build_report
from tare.reports.content.fleet import FleetPage, Skipped
from tare.reports.model import LANGUAGES, PAGES
from tare.results.judgement.across_hosts import ClassCost, CostKey, HostCost
from tare.results.judgement.between_runs import MissingSeries, RunsCompared
from tare.results.judgement.gate import gate
from tare.results.record import Provenance
from tare.results.said import say
from tare.results.statistics.changepoints import ChangePoint
from tare.results.statistics.series import SeriesKey
from tare.results.storage.fleet import Fleet, FleetHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tare.reports.model import Language
    from tare.results.judgement.across_hosts import What
    from tare.results.judgement.comparison import Comparison, Verdict

KINDS = ("report", "comparison", "ab", "history", "index", "fleet")
"""All kinds of pages that the suite writes."""

GUESTS = ("qemu-microvm(tcg)", "qemu-q35(tcg)")
LONG = {"a_rather_long_parameter": "value_without_any_blank_in_it", "n": 12}
FIRST_DAY = datetime.datetime(2026, 3, 1, 19, 17, tzinfo=datetime.UTC)


def write_pages(folder: Path) -> dict[tuple[str, Language], Path]:
    """Write one page of each kind in each language: kind and language → page."""
    report = build_report(make_input(blocks=4), folder / "report").index.parent
    pages: dict[tuple[str, Language], Path] = {
        ("report", language): report / PAGES[language] for language in LANGUAGES
    }
    write_runs(folder / "runs", 40)
    for language in LANGUAGES:
        own = folder / language
        own.mkdir()
        write_comparison(two_runs(), own / "comparison.html", language)
        write_comparison(two_commands(), own / "ab.html", language)
        write_history(histories(40), own / "history.html", own, language)
        pages |= {(kind, language): own / f"{kind}.html" for kind in ("comparison", "ab", "history")}
        pages["index", language] = write_index(folder / "runs", own / "index", language)
        pages["fleet", language] = write_page(campaign(), campaign_page(), own, language)
    return pages


def two_runs() -> GateReport:
    """Compare two runs on unlike hosts, in which every verdict occurs, and refused and missing series."""
    found = list(_comparisons())
    unlike = (
        say(
            "fact.changed",
            "{name}: {before} → {after}",
            name="kernel",
            before="6.1.0-37-amd64",
            after="6.18.5",
        ),
        say("fact.changed", "{name}: {before} → {after}", name="image", before="a" * 64, after="b" * 64),
    )
    key = SeriesKey("disk-fsync", json.dumps(LONG), "fio.fsync.latency", "namespaces", control=False)
    lost = MissingSeries(key, primary=True, reason=say("missing.failed", "12 trials failed"))
    return GateReport(
        "20261123-191748-k3f9", "nightly-of-a-branch-with-a-long-name", RunsCompared(found, (lost,), (), unlike), gate(found),
        remarks=(say("remark.quick", "A quick run shows that everything works; it is too short for decisions."),),
        missing=(lost,),
        hosts=("AMD EPYC 9R14, 2 of 2 CPUs online, Linux 6.1.0-37-amd64", "Intel Xeon Platinum 8488C, 8 CPUs, Linux 6.18.5"),
    )  # fmt: skip


def _comparisons() -> Iterator[Comparison]:
    costs: tuple[tuple[str, float, Verdict], ...] = (
        ("null", 1.004, "same"), ("cpu", 1.31, "worse"), ("syscall", 0.84, "better"), ("python", 1.06, "undecided"), ("disk-rand", 2400.0, "worse"),
    )  # fmt: skip
    for runner in ("bare", "namespaces:+seccomp,+no-new-privs,+user-namespace", *GUESTS):
        for workload, cost, verdict in costs:
            for make in (compared, cpu):
                parameters = LONG if workload == "disk-rand" else {}
                yield make(workload, cost, verdict, runner=runner, parameters=parameters)
        yield compared("switch", 1.5, "undecided", runner=runner, refused=True)
        yield compared("memory-read", 1.2, "undecided", runner=runner, half=None)


def two_commands() -> GateReport:
    """Compare two commands within one run."""
    found = [compared("base", 1.13, "worse", runner="bare"), cpu("base", 1.11, "worse", runner="bare")]
    sides = ("./old --threads 1 --input /srv/data/a-file-with-a-long-name.json", "./new --threads 1")
    return GateReport(
        "base", "head", RunsCompared(found, (), (), ()), gate(found), hosts=("a host",), sides=sides
    )


def histories(runs: int) -> Histories:
    """Make up histories in which one series gets worse, one better and one stays."""
    dice = np.random.default_rng(5)
    found = []
    for workload, unit, level, factor in (
        ("start-up", "s", 0.002, 1.2),
        ("syscall", "s", 9e-8, 0.8),
        ("disk-rand", "ops/s", 4e4, 1.0),
    ):
        for runner in ("bare", "namespaces", *GUESTS):
            own = level * (40 if runner in GUESTS else 1)
            at = runs * 2 // 3
            values = own * np.exp(dice.normal(0, 0.005, runs)) * np.where(np.arange(runs) >= at, factor, 1.0)
            points = tuple(
                HistoryPoint(
                    f"{FIRST_DAY + datetime.timedelta(days=n):%Y%m%d-%H%M%S}-aaaa", "nightly" if n % 7 == 0 else "",
                    (FIRST_DAY + datetime.timedelta(days=n)).isoformat(), f"{n:040x}", float(value), 12, float(value) * 0.99, float(value) * 1.01,
                )
                for n, value in enumerate(values)
            )  # fmt: skip
            changes = (ChangePoint(at, factor, 1e-9),) if factor != 1 and runs > 5 else ()
            parameters = LONG if workload == "disk-rand" else {}
            found.append(
                History(workload, parameters, f"{workload}.time", unit, "lower", runner, points, changes)
            )
    left = (
        say("history.quick", "{run} is a quick run; --with-quick includes it.", run="20261123-191748-k3f9"),
    )
    return Histories("8 CPUs of an Example Processor 9000", (), runs, tuple(found), left)


def write_runs(folder: Path, runs: int) -> None:
    """Write runs of one trial each: named, labelled, unfinished, imported, with and without verdicts, and one damaged."""
    for n in range(runs):
        day = FIRST_DAY + datetime.timedelta(days=n)
        run = f"{day:%Y%m%d-%H%M%S}-aaaa"
        origin = Provenance(
            commit=f"{n:040x}", labels={"branch": "a/branch-with-a-rather-long-name"} if n % 3 else {}
        )
        path = write_run(
            folder, [trial(0, metric(1.0, primary=True), run=run)], run=run, created=day.isoformat(), provenance=origin,
            status=("complete", "interrupted", "running")[0 if n % 5 else n % 3], mode=("default", "quick", "imported")[n % 3],
            name="nightly-of-the-main-branch-before-release" if n % 4 == 0 else "",
            host={} if n % 3 == 2 else {"cpu": {"model": f"Example Processor {n % 2}", "allowed": 2}},
        )  # fmt: skip
        if n % 2:
            keep_verdicts(path, VerdictCounts(worse=n % 4, same=12, better=1, undecided=n))
    (folder / "damaged").mkdir()
    (folder / "damaged" / "manifest.json").write_text("{")


def campaign() -> Fleet:
    """Make up a campaign on hosts of which one was lost."""
    hosts = {
        name: FleetHost(host=name, host_class="A", status="complete", runs=(f"run-of-{name}",))
        for name in ("north", "south", "west")
    }
    hosts["east-of-the-second-building.example"] = FleetHost(
        host="east-of-the-second-building.example",
        host_class="A class with a long name",
        status="lost",
        reason="its worker went away",
    )
    return Fleet(
        version=1, campaign="20261127-020000-c1", created="2026-11-27T02:00:00Z", request=REQUEST, hosts=hosts
    )


def campaign_page() -> FleetPage:
    """Make up what that campaign found."""
    found: tuple[tuple[str, float, Verdict], ...] = (
        ("cpu", 1.0, "same"), ("syscall", 1.2, "worse"), ("disk-rand", 0.7, "better"), ("python", 1.1, "undecided"),
    )  # fmt: skip
    kinds: tuple[What, ...] = ("time", "cpu")
    costs = []
    for runner in ("namespaces", *GUESTS):
        for (workload, cost, verdict), what in itertools.product(found, kinds):
            parameters = msgspec.json.encode(LONG if workload == "disk-rand" else {})
            hosts = tuple(HostCost(host, estimate(cost), 0.01) for host in ("north", "south", "west"))
            key = CostKey(workload, parameters, runner, what)
            costs.append(ClassCost(key, "A", hosts, estimate(cost), 0.02, verdict))
    return FleetPage(
        hosts=tuple(campaign().hosts.values()),
        trials={"north": 240, "south": 240, "west": 239},
        costs=costs,
        titles={(one.key.workload, one.key.parameters): one.key.workload for one in costs},
        colors={"namespaces": "#0072b2"},
        reports={"run-of-north": "../run-of-north/index.html"},
        skipped=(Skipped("docker", say("skip.none", "docker was not found on PATH"), ("north", "south")),),
    )
