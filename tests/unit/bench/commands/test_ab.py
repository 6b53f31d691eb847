"""Two versions in one run: pairing by block, the floor of both, and the exit codes of ``tare ab``."""

import json

import pytest

from support.plans import plan_json
from support.results_making import metric, trial, write_run
from tare.bench import pipeline
from tare.bench.__main__ import main
from tare.bench.analysis.conclusion import Finished
from tare.bench.request.request import Request, SettingsVariant
from tare.bench.request.settings import Settings
from tare.results.judgement.within_run import compare_variants, compare_versions
from tare.results.storage.counts import InstructionCount, write_counts
from tare.results.storage.load import load_run

DRIFT = [0.61803 + 0.1234567 * i for i in range(48)]


def versions(folder, factor, *, again=1.0, failing=False, **changes):
    trials = []
    for block, base in enumerate(DRIFT):
        for name, value in (("base", base), ("head", base * factor)):
            for runner, scale in (("bare", 1.0), ("bare-again", again)):
                common = {"runner": runner, "control": runner != "bare", "block": block, "invocation": block}
                bad = {"outcome": "failed", "reason": "exit 1"} if failing and name == "head" else {}
                value_of = () if bad else (metric(value * scale, primary=True),)
                parameters = {"command": f"./{name}"}
                trials.append(
                    trial(len(trials), *value_of, workload=name, parameters=parameters, **common, **bad)
                )
    return write_run(folder, trials, status="complete", **changes)


@pytest.mark.parametrize(("factor", "verdict"), [(1.05, "worse"), (0.95, "better"), (1.0, "same")])
def test_drift_cancels_inside_the_blocks(tmp_path, factor, verdict):
    (found,) = compare_versions(load_run(versions(tmp_path, factor)), base="base", head="head")
    assert found.verdict == verdict
    assert found.cost.value == pytest.approx(factor)
    assert found.base == "base:bare"


def test_a_larger_noise_floor_forbids_the_call(tmp_path):
    (found,) = compare_versions(load_run(versions(tmp_path, 1.05, again=1.2)), base="base", head="head")
    assert found.floor.value == pytest.approx(1.2)
    assert found.verdict == "undecided"


@pytest.mark.parametrize(("factor", "failing", "code"), [(1.1, False, 1), (1.0, False, 0), (1.0, True, 3)])
def test_exit_codes(tmp_path, monkeypatch, capsys, factor, failing, code):
    monkeypatch.chdir(tmp_path)
    asked = []

    def execute(request, _progress):
        asked.append(request)
        folder = versions(tmp_path / "runs", factor, failing=failing)
        return Finished(folder, tuple(load_run(folder).trials()), None, "")

    monkeypatch.setattr(pipeline, "execute", execute)
    assert main(["ab", "--base", "./a 'b c'", "--head", "./d", "--markdown", "out.md"]) == code
    assert asked[0].versions == (("base", ("./a", "b c")), ("head", ("./d",)))
    assert asked[0].settings.run.runners == ("bare",)
    assert "## head against base" in (tmp_path / "out.md").read_text()
    if failing:
        assert "exit 1" in capsys.readouterr().err


@pytest.mark.parametrize(("again", "told"), [(1.2, True), (1.0, False)])
def test_an_undecided_pair_of_commands_is_told_about_duets(tmp_path, monkeypatch, capsys, again, told):
    monkeypatch.chdir(tmp_path)

    def execute(_request, _progress):
        folder = versions(tmp_path / "runs", 1.05, again=again)
        return Finished(folder, tuple(load_run(folder).trials()), None, "")

    monkeypatch.setattr(pipeline, "execute", execute)
    main(["ab", "--base", "./a", "--head", "./b", "--prepare", "true"])
    assert ("--duet" in capsys.readouterr().err) == told
    for others in ([], ["--no-duet"]):  # a trial has told of them, or they were refused
        main(["ab", "--base", "./a", "--head", "./b", *others])
        assert "--duet" not in capsys.readouterr().err


@pytest.mark.parametrize(("factor", "code"), [(1.1, 1), (1.0, 4)])
def test_a_failure_of_clean_up_costs_no_verdict(tmp_path, monkeypatch, factor, code):
    monkeypatch.chdir(tmp_path)

    def execute(_request, _progress):
        folder = versions(tmp_path / "runs", factor)
        return Finished(folder, tuple(load_run(folder).trials()), None, "", not_undone=("a cgroup: busy",))

    monkeypatch.setattr(pipeline, "execute", execute)
    assert main(["ab", "--base", "./a", "--head", "./b", "--markdown", "out.md"]) == code
    assert "## head against base" in (tmp_path / "out.md").read_text()


@pytest.mark.parametrize("command", ["", "'open"])
def test_commands_that_are_none_are_refused(command, capsys):
    assert main(["ab", "--base", command, "--head", "true"]) == 2
    assert "--base" in capsys.readouterr().err


def variants(folder, factor, *, again=1.0):
    trials = []
    for block, base in enumerate(DRIFT):
        for runner, value in (
            ("box@base", base),
            ("box@base-again", base * again),
            ("box@head", base * factor),
        ):
            common = {"control": runner.endswith("-again"), "block": block, "invocation": block}
            trials.append(trial(len(trials), metric(value, primary=True), runner=runner, **common))
    both = (SettingsVariant("base", Settings()), SettingsVariant("head", Settings()))
    plan = plan_json(Request(variants=both))
    return write_run(folder, trials, status="complete", plan=plan)


@pytest.mark.parametrize(("factor", "verdict"), [(1.05, "worse"), (0.95, "better"), (1.0, "same")])
def test_variants_of_a_runner_are_compared_with_their_base(tmp_path, factor, verdict):
    (found,) = compare_variants(load_run(variants(tmp_path, factor)), base="base", head="head")
    assert (found.verdict, found.runner, found.base) == (verdict, "box@head", "box@base")
    assert found.cost.value == pytest.approx(factor)
    (found,) = compare_variants(
        load_run(variants(tmp_path / "noisy", factor, again=1.2)), base="base", head="head"
    )
    assert found.verdict == "undecided"


def test_two_settings_become_two_variants(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = []

    def execute(request, _progress):
        asked.append(request)
        folder = variants(tmp_path / "runs", 1.1)
        return Finished(folder, tuple(load_run(folder).trials()), None, "")

    monkeypatch.setattr(pipeline, "execute", execute)
    words = ["--runners", "runc", "--base-set", "run.tools=runc=/a", "--head-set", "run.tools=runc=/b"]
    assert main(["ab", *words]) == 1
    tools = {name: dict(settings.run.tools) for name, settings in asked[0].variants}
    assert tools == {"base": {"runc": "/a"}, "head": {"runc": "/b"}}
    assert [settings.run.runners for _, settings in asked[0].variants] == [("runc",), ("runc",)]
    assert asked[0].settings.run.keyword == "null"
    assert "box@head" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "give two commands"),
        (["--base", "true"], "give two commands"),
        (["--base", "true", "--head", "true", "--base-set", "guest.cpu=a"], "give two commands"),
        (["--base-set", "guest.cpu=a"], "--runners"),
        (["--base-set", "guest.colour=a"], "KEY=VALUE. Keys are"),
        (["--base-set", "guest.cpu"], "KEY=VALUE"),
        (["--base-set", "limits.memory=1G", "--runners", "bare"], "cannot differ"),
        (["--base-set", "run.tools=runc", "--runners", "runc"], "NAME=PATH"),
    ],
)
def test_what_cannot_be_compared_is_refused(words, complaint, capsys):
    assert main(["ab", *words]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("head", "code", "verdict"), [(1000, 0, "same"), (1002, 1, "worse"), (0, 4, "refused")]
)
def test_instructions_have_a_verdict_of_their_own(tmp_path, monkeypatch, capsys, head, code, verdict):
    monkeypatch.chdir(tmp_path)
    asked = []

    def execute(request, _progress):
        asked.append(request)
        folder = versions(tmp_path / f"runs{len(asked)}", 1.0)
        counts = [
            InstructionCount(version=name, command=name, metric="instructions.callgrind", counts=(number,))
            for name, number in (("base", 1000), ("head", head))
        ]
        write_counts(folder, counts)
        return Finished(folder, tuple(load_run(folder).trials()), None, "")

    monkeypatch.setattr(pipeline, "execute", execute)
    words = ["ab", "--count", "--base", "a", "--head", "b", "--markdown", "out.md"]
    assert main(words) == code
    assert asked[0].settings.commands.count
    assert f"by instructions: {verdict}" in capsys.readouterr().out
    assert f"by instructions: {verdict}" in (tmp_path / "out.md").read_text()
    assert main([*words, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["counts"]["verdict"] == verdict


@pytest.mark.parametrize(
    "words",
    [
        ["ab", "--count", "--runners", "bare", "--base-set", "run.image=a", "--head-set", "run.image=b"],
        ["run", "--count"],
    ],
)
def test_only_commands_can_be_counted(words, capsys):
    assert main(words) == 2
    assert "--count counts the instructions of" in capsys.readouterr().err
