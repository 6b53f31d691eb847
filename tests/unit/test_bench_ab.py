"""Two versions in one run: pairing by block, the floor of both, and the exit codes of ``tare ab``."""

import pytest
from results_making import metric, trial, write_run

from bench import pipeline
from bench.__main__ import main
from bench.pipeline import Finished
from results.load import load_run
from results.verdict import compare_versions

DRIFT = [1.0, 1.3, 1.1, 1.8, 1.5, 1.2, 2.0, 1.6]


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
    assert asked[0].settings["run.runners"] == ("bare",)
    assert "## head against base" in (tmp_path / "out.md").read_text()
    if failing:
        assert "exit 1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "'open"])
def test_commands_that_are_none_are_refused(command, capsys):
    assert main(["ab", "--base", command, "--head", "true"]) == 2
    assert "--base" in capsys.readouterr().err
