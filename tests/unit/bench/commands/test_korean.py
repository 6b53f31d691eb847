"""In Korean no command prints an English sentence: every command's output is read for two English words in a row."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

import pytest

from support.korean_pages import english_lines as english
from support.results_making import metric, trial, write_run
from tare.bench.__main__ import COMMANDS as OF_TARE
from tare.bench.__main__ import main
from tare.bench.analysis import calibration_tables
from tare.bench.analysis.baselines import ThisHost
from tare.bench.catalogue import ours
from tare.bench.commands.shared.speaking import Speaker
from tare.results.judgement.calibration import Calibration, Rate
from tare.results.record import Provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tare.results.record import Trial

OWN = """
[workloads.hello]
command = ["true"]
[workloads.cpu]
command = ["echo", "{n}"]
parameters = { n = [1, 2] }
[workloads.bad]
comand = ["echo"]
"""

HYPERFINE = '{"results": [{"command": "sleep", "times": [1.0, 1.1, 1.2], "exit_codes": [0, 0, 1]}]}'


def trials_of(run: str, level: float, odd: str) -> Iterator[Trial]:
    """Make trials of two runners, of which some failed, were skipped or drift."""
    for at in range(36):
        runner = ("bare", "bare-again", "box")[at % 3]
        value = level * (1 + (at * 29 % 36 - 17.5) / 1e4) * (1.3 if runner == "box" else 1.0)
        yield trial(
            at, metric(value, name="wall.time", primary=True), run=run, runner=runner, control=runner == "bare-again",
            block=at // 3, invocation=at,
        )  # fmt: skip
    yield trial(36, run=run, runner="box", outcome=odd, reason="", block=12, invocation=36, last_line="oops")
    yield trial(37, run=run, runner="pod", outcome="skipped", reason="", block=12, invocation=37)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Store runs that differ in state, mode, level and host, with a damaged one."""
    folder = tmp_path_factory.mktemp("korean")
    host = {"cpu": {"model": "Example", "allowed": 2}}
    states = [*["complete"] * 8, "interrupted", "complete"]
    for at, status in enumerate(states):
        run = f"20261101-{at:02}0000-aaaaa"
        write_run(
            folder / "results/runs",
            trials_of(run, 1.0 if at < 4 else 1.4, "failed" if at % 2 else "timeout"),
            run=run, name=f"n{at}", status=status, host=host, created=f"2026-11-01T{at:02}:00:00+00:00",
            mode="quick" if at == 9 else "default", provenance=Provenance(commit=f"{at}" * 40, labels={"k": "v"}),
        )  # fmt: skip
    broken = folder / "results/runs/20261102-000000-aaaaa"
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    lines = folder / "results/runs/20261101-000000-aaaaa/trials.jsonl"
    lines.write_text(f"{lines.read_text()}not a trial\n")
    (folder / "workloads").mkdir()
    (folder / "workloads/own.toml").write_text(OWN)
    (folder / "times.json").write_text(HYPERFINE)
    return folder


@pytest.fixture
def tare(
    stored: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Call a command in Korean and give all that it prints."""
    monkeypatch.chdir(stored)
    for name, value in {"CACHE": "cache", "WORKDIR": ".", "LANG": "ko"}.items():
        monkeypatch.setenv(f"TARE_{name}", value if name == "LANG" else str(stored / value))
    now = datetime.datetime(2026, 12, 24, tzinfo=datetime.UTC)
    monkeypatch.setattr(ThisHost, "read", lambda: ThisHost("other", {}, now))

    def call(line: str) -> str:
        main(line.split())
        out, err = capfd.readouterr()
        return out + err

    return call


LINES = [
    "list", "list --judge", "list --label no=such", "show n1", "history", "history n0 n1 n2 n3 n5 n6 n7 --with-quick --all-metrics",
    "history --host-class none", "compare n0 n1", "compare n1 n7", "compare n7 n1 --threshold 5", "compare n1 n8 --format markdown",
    "compare n9 n1", "compare n9 n1 --allow-unlike", "compare n1 n1", "compare n1 no",
    "baseline list", "baseline save n1", "baseline save n9", "baseline save n8", "baseline list", "baseline use n1", "baseline use no",
    "store push n1 --store kept", "store push n1 --store kept", "store push --all --store kept", "store list --store kept",
    "store pull --store kept", "store pull no --store kept", "store prune --store kept --keep 2 --dry-run", "store list",
    "import times.json", "import nothing.json", "export n0 --format csv --output out.csv", "export n0 --format csv --output /no/such",
    "claims n1", "clean --dry-run", "workloads", "workloads check", "workloads list file", "open n1", "config --show-origin",
    "doctor --fix no", "sql --format json SELECT(1)", "sql SELEC", "run --no-such", "plan quick", "fleet", "ab", "calibrate --analyse", "report no",
    "list --mode no", "list --last 0", "run --re", "plan -k", "fleet --page none",
]  # fmt: skip
"""Command lines of every command, good and bad ones; those that measure are refused."""


def test_every_command_is_among_the_lines() -> None:
    assert {line.split()[0] for line in LINES} == set(OF_TARE)


@pytest.mark.parametrize("line", dict.fromkeys(LINES))
def test_no_command_prints_english(line: str, tare: Callable[..., str]) -> None:
    told = tare(line)
    assert english(told) == []
    assert not re.search(r"\d %", told), "a percentage stands without a blank"


def test_files_in_markdown_have_no_english(tare: Callable[..., str], stored: Path) -> None:
    tare("history n0 n1 n2 n3 n5 n6 n7 --markdown history.md")
    tare("compare n1 n7 --markdown compared.md")
    texts = [(stored / name).read_text("utf-8") for name in ("history.md", "compared.md")]
    assert [english(text) for text in texts] == [[], []]
    assert all("비용 증가" in text or "악화" in text for text in texts)


def test_what_programs_read_is_english_in_every_language(tare: Callable[..., str]) -> None:
    told = tare("compare n1 n7 --json")
    assert "more" in told
    assert not re.search("[가-힣]", told)


def test_all_workloads_have_a_korean_summary() -> None:
    tell = Speaker("ko").tell
    assert [one.name for one in ours() if not re.search("[가-힣]", tell(one.summary))] == []


def test_a_calibration_is_korean() -> None:
    rate: dict[str, Any] = {
        "workload": "work", "runner": "bare", "metric": "m", "blocks": 5, "comparisons": 9, "distinct": 3, "worse": 1,
        "better": 0, "same": 8, "undecided": 0, "half_width": 0.01, "mean_5": 1, "mean_150": 1, "relabelled": True,
    }  # fmt: skip
    made = Calibration(
        format=1, host_class="h", created="", run="r", threshold=0.02, blocks=5, load=[0.1, 0.2],
        rates=[Rate(**rate, share=0.0), Rate(**rate, share=0.05)],
    )  # fmt: skip
    for told in (calibration_tables.as_text, calibration_tables.as_markdown):
        text = told(made, Speaker("ko").tell)
        assert english(text) == []
        assert "임계값 2%" in text


def test_the_rule_finds_english() -> None:
    assert english("3개 중 no deployment can be measured")
    assert not english("tare run -k cpu --budget 3m")
