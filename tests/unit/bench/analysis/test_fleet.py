"""The page and the summary of a campaign, of runs on made-up hosts."""

import json
from typing import get_args

import msgspec
import pytest

from support.fleet_double import REQUEST
from support.forgetting import forget
from support.korean_pages import english, english_lines
from support.results_making import metric, trial, write_run
from support.shapes import ENGLISH, sentences
from tare.bench.__main__ import main
from tare.bench.errors import Exit
from tare.results.storage.fleet import Fleet, FleetHost, Status, write_fleet


def time_of(value):
    return metric(value, name="launch.total", primary=True)


def run_of(folder, name, cost, skipped="no <daemon>"):
    trials = []
    for block in range(8):
        for runner, factor in (("bare", 1.0), ("namespaces", cost)):
            value = factor * (1 + 0.001 * (block % 3))
            one = trial(
                len(trials), time_of(value), run=name, runner=runner, block=block, invocation=len(trials)
            )
            trials.append(one)
    skip = trial(len(trials), run=name, runner="docker", block=-1, outcome="skipped", reason=skipped)
    write_run(folder, [*trials, skip], run=name, status="complete")
    return name


@pytest.fixture
def campaign(tmp_path):
    hosts = {}
    for at, (host, cost) in enumerate({"north": 1.2, "south": 1.3, "west": 1.25, "other": 2.0}.items()):
        run_of(tmp_path / "runs", f"run-{at}", cost)
        of_class = "B" if host == "other" else "A"
        hosts[host] = FleetHost(host=host, host_class=of_class, status="complete", runs=(f"run-{at}",))
    hosts["east"] = FleetHost(
        host="east", host_class="A", status="lost", reason="its worker went <away>", runs=("run-none",)
    )
    fleet = Fleet(version=1, campaign="c1", created="2026-11-27T02:00:00Z", request=REQUEST, hosts=hosts)
    write_fleet(tmp_path / "runs", fleet)
    return tmp_path


def page(campaign, *words):
    folders = ["--results-dir", str(campaign / "runs"), "--reports-dir", str(campaign / "out")]
    return main(["fleet", "--page", "latest", *folders, *words])


def test_hosts_of_a_class_are_compared_and_reasons_told(campaign, capsys):
    assert page(campaign) == Exit.SOME_FAILED
    out = capsys.readouterr().out
    assert "lost: its worker went <away>" in out
    assert "docker was left out on north, south, west, other: no <daemon>" in out
    path = campaign / "out" / "fleet" / "c1.html"
    assert out.splitlines()[-1] == str(path)
    text = path.read_text("utf-8")
    # The answer stands above, and its table is not folded away.
    assert text.index("by time (A, hosts: 3).") < text.index("Hosts measured to the end")
    assert text.index("Intervals are formed over the hosts") < text.index("<details")
    assert "went &lt;away&gt;" in text
    assert "no &lt;daemon&gt;" in text
    assert "Hosts measured to the end: 4 of 5" in text


def test_json_has_every_answer_by_class_and_host(campaign, capsys):
    page(campaign, "--json")
    found = json.loads(capsys.readouterr().out)
    time = {one["host_class"]: one for one in found["costs"] if one["by"] == "time"}
    assert time["A"]["cost"]["value"] == pytest.approx(1.25, rel=0.01)
    assert time["A"]["cost"]["n"] == 3
    assert time["A"]["cost"]["low"] < 1.2
    assert time["A"]["between_hosts"] == pytest.approx(0.04, rel=0.1)
    assert set(time["A"]["hosts"]) == {"north", "south", "west"}
    assert time["B"]["verdict"] == "undecided"
    assert [one["status"] for one in found["hosts"]] == ["complete"] * 4 + ["lost"]


@pytest.mark.parametrize(("language", "name"), [("en", "start-up (null)"), ("ko", "시작(null)")])
def test_start_up_is_called_so_on_the_page_and_in_the_terminal(campaign, capsys, language, name):
    page(campaign, "--lang", language)
    rows = [line for line in capsys.readouterr().out.splitlines() if " namespaces " in line]
    assert rows
    assert all(row.startswith(f"{name}  ") for row in rows)
    text = (campaign / "out" / "fleet" / "c1.html").read_text("utf-8")
    assert f">{name}<" in text
    assert ">null<" not in text


def test_the_page_speaks_korean(campaign):
    page(campaign, "--lang", "ko")
    assert "호스트 5대 중 4대" in (campaign / "out" / "fleet" / "c1.html").read_text("utf-8")


def test_a_damaged_campaign_is_one_sentence(campaign, capsys):
    path = campaign / "runs" / "fleet" / "c1.json"
    fleet = msgspec.json.decode(path.read_bytes())
    path.write_text(json.dumps(fleet | {"version": 9}))
    assert page(campaign) == Exit.USAGE
    assert "has version 9" in capsys.readouterr().err
    path.write_text("{")
    assert page(campaign) == Exit.USAGE
    assert "cannot be read as a campaign" in capsys.readouterr().err


def test_a_korean_page_has_no_english_though_another_process_said_the_reasons(
    tmp_path, capsys, english_forgotten
):
    told = sentences()
    statuses = get_args(Status)
    hosts = {}
    for at, status in enumerate(statuses):
        run = run_of(tmp_path / "runs", f"run-{at}", 1.2 + at / 100, skipped=told["container.no_kubeconfig"])
        hosts[f"h{at}"] = FleetHost(
            host=f"h{at}", host_class="AB"[at % 2], status=status, runs=(run,),
            reason="" if status in statuses[:3] else told["fleet.worker_lost"],
        )  # fmt: skip
    hosts["h9"] = FleetHost(host="h9", host_class="A", status="failed", reason=told["fleet.no_tare"])
    fleet = Fleet(version=1, campaign="c1", created="2026-11-27T02:00:00Z", request=REQUEST, hosts=hosts)
    write_fleet(tmp_path / "runs", fleet)
    english_forgotten()
    page(tmp_path, "--lang", "ko")
    out, err = capsys.readouterr()
    assert english_lines(out + err) == []
    text = (tmp_path / "out" / "fleet" / "c1.html").read_text("utf-8")
    assert english(text) == []
    assert ENGLISH not in out + err + text
    assert "워커" in out
    assert "kubeconfig가 없음" in text


@pytest.fixture
def english_forgotten(monkeypatch):
    """Give a function that forgets what this process has said with values, as if another one had."""
    return lambda: forget(monkeypatch)
