"""``tare claims``: every claim with its verdict, in words and as JSON, in both languages."""

import json
import sys

import msgspec
import pytest

from support.claims import looked
from support.results_making import write_run
from tare.bench.__main__ import main
from tare.reports.text.columns import width
from tare.results.judgement.claims.declared import CLAIMS


@pytest.fixture
def _run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trials = [looked("bare"), msgspec.structs.replace(looked("namespaces"), number=1)]
    write_run(tmp_path / "results" / "runs", trials, status="complete")


@pytest.mark.usefixtures("_run")
def test_json_has_the_rule_the_measurements_and_the_note_s_sentence(capsys):
    assert main(["claims", "--json"]) == 0
    found = {one["claim"]: one for one in json.loads(capsys.readouterr().out)["claims"]}
    assert list(found) == [claim.id for claim in CLAIMS]
    assert found["host-untouched"]["outcome"] == "supported"
    assert found["host-untouched"]["findings"][0]["runner"] == "namespaces"
    assert found["container-near-zero"]["rule"]["kind"] == "NoLoss"
    assert found["container-near-zero"]["rule"]["margin"] == 0.02
    assert found["kernel-shared"]["sentence"]["ko"] == "컨테이너에 필요한 커널은 호스트의 커널을 공유해 사용"


@pytest.mark.usefixtures("_run")
def test_lines_tell_verdict_reason_and_command(capsys):
    assert main(["claims", "latest"]) == 0
    said = capsys.readouterr().out
    assert "host-untouched: supported\n" in said
    assert "kernel-shared: not measured here\n" in said
    assert "tare run -k kernel-shared --runners bare,namespaces,qemu-microvm" in said
    assert main(["claims", "--lang", "ko"]) == 0
    assert "host-untouched: 뒷받침됨\n" in capsys.readouterr().out


@pytest.mark.usefixtures("_run")
def test_an_unknown_run_is_a_usage_error(capsys):
    assert main(["claims", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.usefixtures("_run")
@pytest.mark.parametrize(
    ("language", "counts"),
    [
        ("en", "13 claims – supported: 2, not measured here: 11."),
        ("ko", "주장 13개: 뒷받침됨 2개, 여기서는 측정하지 않음 11개."),
    ],
)
def test_the_verdicts_are_counted_first_and_no_line_is_wider_than_the_terminal(
    capsys, monkeypatch, language, counts
):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["claims", "--lang", language]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == counts
    assert max(map(width, lines)) <= 60
