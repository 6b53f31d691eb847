"""Pages and terminals leave users' names alone, although the suite has words that read the same."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

import msgspec
import pytest

from support.korean_pages import Reader
from support.results_making import metric, trial, write_run
from support.verdicts import compared, cpu, run_of
from tare.bench.__main__ import main
from tare.bench.analysis.baselines import ThisHost
from tare.reports.content import comparison
from tare.reports.content.page import Page
from tare.reports.content.sections import sections
from tare.reports.render.html.render import Document, render, render_document
from tare.reports.summaries.run import Summary, plain_names
from tare.reports.text.words import words
from tare.results.judgement.gate import gate
from tare.results.record import Provenance
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tare.reports.model import ReportInput
    from tare.results.judgement.comparison import Comparison

LIKE_WORDS = {
    "host": "hxst",
    "none": "nxne",
    "block": "bxock",
    "time": "txme",
    "idle": "ixle",
    "load": "lxad",
}
"""Name that is a word of the suite, too → one that is not, of the same length, sound and place in a list."""


def plain(text: str) -> str:
    return text


def words_as_names(text: str) -> str:
    """Put the suite's words in the place of the other names."""
    for word, other in LIKE_WORDS.items():
        text = text.replace(other, word)
    return text


def found(named: Callable[[str], str]) -> list[Comparison]:
    """Make comparisons of users' workloads, runners, metrics and parameters."""
    names = [named(other) for other in LIKE_WORDS.values()]
    return [
        msgspec.structs.replace(
            one, metric=f"{name}.time", parameters={name: name, "command": name}, because=say(
                "rule.maybe_noise", "It lies within {beyond}.", within="1 % to 2 %", beyond=say("beyond.floor", "{size}", size="4 %"),
            ),
        )
        for name in names
        for one in (compared(name, 1.2, "worse", runner=name), cpu(name, 1.0, "same"))
    ]  # fmt: skip


def page(named: Callable[[str], str]) -> str:
    given = plain_names(_input(named))
    made = Page(Summary(given), words("ko"))
    return render(made, sections(made), {})


def _input(named: Callable[[str], str]) -> ReportInput:
    name = named("nxne")
    made = run_of(*found(named), name=named("hxst"), provenance=Provenance(branch=name, labels={name: name}))
    parameters = {one.workload: one.parameters for one in made.comparisons}
    return msgspec.structs.replace(made, parameters=parameters)


def comparison_page(named: Callable[[str], str]) -> str:
    own = tuple(found(named))
    made = comparison.Compared(named("nxne"), named("hxst"), gate(own))
    return render_document(Document(words("ko"), "", "", comparison.sections(made, words("ko")), ""))


@pytest.mark.parametrize("made", [page, comparison_page])
def test_pages_leave_names_alone(made: Callable[[Callable[[str], str]], str]) -> None:
    other, own = (Reader(made(named), everything=True).texts for named in (plain, words_as_names))
    assert sum("hxst" in text for text in other) > 2
    assert sorted(map(words_as_names, other)) == sorted(own)


LINES = ("list", "history --all-metrics", "compare {a} {b}", "compare {a} none-such", "show {a}", "workloads list own.toml",
         "workloads check own.toml", "baseline save {a}", "baseline list", "store list --store kept", "claims {a}")  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_terminals_leave_names_alone(
    line: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.datetime(2026, 12, 24, tzinfo=datetime.UTC)
    monkeypatch.setattr(ThisHost, "read", lambda: ThisHost("other", {}, now))
    monkeypatch.setenv("TARE_LANG", "ko")
    say("terminal.time", "time")
    told = []
    for named in (plain, words_as_names):
        folder = tmp_path / named.__name__
        (folder / "results/runs").mkdir(parents=True)
        monkeypatch.chdir(folder)
        for at, given in enumerate(("nxne", "hxst")):
            _store(folder, at, named(given), named)
        definition = '[workloads.{0}]\ncommand = ["true", "{{{0}}}"]\nparameters = {{ {0} = ["{0}"] }}\n'
        (folder / "own.toml").write_text("".join(definition.format(named(name)) for name in ("txme", "ixle")))
        main(line.format(a=named("nxne"), b=named("hxst")).split())
        told.append(sorted(re.sub(r"\s+", " ", one) for one in "".join(capfd.readouterr()).splitlines()))
    other, own = told
    assert sorted(map(words_as_names, other)) == sorted(
        one.replace("/words_as_names", "/plain") for one in own
    )


def _store(folder: Path, at: int, name: str, named: Callable[[str], str]) -> None:
    run = f"20261101-0{at}0000-aaaaa"
    box = named("bxock")
    trials = [
        trial(n, metric(1.0 + 0.001 * (n % 5) + 0.5 * (runner != "bare"), name=f"{named('lxad')}.time", primary=True),
              run=run, runner=runner, workload=named(workload), family=named(workload), block=n // 4, invocation=n)
        for n, (workload, runner) in enumerate([(w, r) for _ in range(8) for w in ("txme", "ixle") for r in ("bare", box)])
    ]  # fmt: skip
    host = {"cpu": {"model": "Example", "allowed": 2}}
    write_run(
        folder / "results/runs", trials, run=run, name=name, status="complete", host=host,
        created=f"2026-11-01T0{at}:00:00+00:00", provenance=Provenance(labels={name: name}, branch=name),
    )  # fmt: skip
