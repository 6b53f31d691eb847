"""The workflow and the action: valid by GitHub's schemas, and every shell step of them run here, on doubles."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from support.paths import ROOT

ACTION, WORKFLOW = ROOT / "action.yml", ROOT / ".github" / "workflows" / "bench.yml"
BASH = shutil.which("bash")


def load(path):
    return YAML(typ="safe", pure=True).load(path)


def steps():
    found = {f"action: {step.get('name')}": step for step in load(ACTION)["runs"]["steps"]}
    for name, job in load(WORKFLOW)["jobs"].items():
        found |= {f"{name}: {step.get('name')}": step for step in job["steps"]}
    return {name: step for name, step in found.items() if "run" in step}


STEPS = steps()


@pytest.mark.parametrize(
    ("schema", "path"), [("vendor.github-actions", ACTION), ("vendor.github-workflows", WORKFLOW)]
)
def test_schema(schema, path):
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", STEPS)
def test_no_expression_inside_a_script(name):
    # What a pull request's author can choose must reach scripts as environment only.
    assert "${{" not in STEPS[name]["run"]


def test_inputs_and_outputs_that_are_used_exist():
    text, action = ACTION.read_text(), load(ACTION)
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(action["inputs"])
    with_inputs = [s["with"] for s in load(WORKFLOW)["jobs"]["ab"]["steps"] if s.get("uses") == "./"]
    assert set(with_inputs[0]) <= set(action["inputs"])
    needed = {name for name, one in action["inputs"].items() if one.get("required")}
    assert needed <= set(with_inputs[0])


@pytest.fixture
def shell(tmp_path):
    """Runs a step as the runner does, in an empty folder; doubles log how they were called."""
    doubles = tmp_path / "doubles"
    doubles.mkdir()
    log = tmp_path / "log"
    log.touch()

    def double(name, body="", where=doubles):
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!{BASH}\necho "{name} $*" >> "{log}"\n{body}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(name, **environ):
        for variable in ("summary", "output"):
            (tmp_path / variable).touch()
        environment = {
            "PATH": f"{doubles}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(tmp_path / "temp"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            **environ,
        }
        (tmp_path / "temp").mkdir(exist_ok=True)
        (tmp_path / "work").mkdir(exist_ok=True)
        # As GitHub calls it: https://docs.github.com/actions/reference/workflow-syntax, defaults.run.shell
        done = subprocess.run(
            [BASH, "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]],
            capture_output=True, text=True, check=False, cwd=tmp_path / "work", env=environment,
        )  # fmt: skip
        return done, log.read_text()

    run.double, run.folder = double, tmp_path
    return run


@pytest.mark.parametrize("name", ["action: Give this job /dev/kvm", "quick: Give this job /dev/kvm"])
def test_kvm_step_succeeds_with_and_without_kvm(shell, name):
    shell.double("sudo", "cat > /dev/null")
    done, _ = shell(name)
    assert done.returncode == 0, done.stderr
    assert "/dev/kvm" in done.stdout


@pytest.mark.parametrize("code", [0, 1, 4])
def test_measure_step_hands_on_words_and_exit_code(shell, code):
    shell.double("tare", f'printf "%s\\n" "$@" > words; exit {code}', shell.folder / "temp" / "tare" / "bin")
    done, _ = shell(
        "action: Measure base and head, interleaved",
        BASE="./a 'b c' $(touch owned)", HEAD="./d", RUNNERS="bare,namespaces",
        OPTIONS="--quick --budget 5", THRESHOLDS="t.toml",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    words = (shell.folder / "work" / "words").read_text().splitlines()
    assert words[:5] == ["ab", "--base", "./a 'b c' $(touch owned)", "--head", "./d"]
    assert words[-5:] == ["--quick", "--budget", "5", "--thresholds", "t.toml"]
    assert (shell.folder / "output").read_text() == f"exit-code={code}\n"
    assert not (shell.folder / "work" / "owned").exists()


@pytest.mark.parametrize(("code", "expected"), [("0", 0), ("1", 1), ("4", 4), ("", 3)])
def test_pass_or_fail_step(shell, code, expected):
    done, _ = shell("action: Pass or fail", CODE=code)
    assert done.returncode == expected
    assert ("::error::" in done.stdout) == (expected != 0)


def test_install_steps(shell):
    body = 'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi'
    for name in ("python", "python3"):
        shell.double(name, body)
    done, log = shell("action: Install tare", ACTION="/the action")
    assert done.returncode == 0, done.stderr
    assert "pip install --quiet -c /the action/constraints.txt /the action" in log
    done, log = shell("ab: Install both versions")
    assert done.returncode == 0, done.stderr
    assert "-c base-tree/constraints.txt base-tree" in log


def test_quick_job_steps(shell):
    shell.double("python3")
    done, log = shell("quick: Measure")
    assert (done.returncode, log) == (0, "python3 noxfile.py -s bench -- --quick\n")
    done, _ = shell("quick: Show the summary")
    assert done.returncode == 0
    (shell.folder / "work" / "reports" / "out" / "x").mkdir(parents=True)
    (shell.folder / "work" / "reports" / "out" / "x" / "summary.md").write_text("# A\n")
    done, _ = shell("quick: Show the summary")
    assert (shell.folder / "summary").read_text() == "# A\n"


def test_every_step_is_run_here():
    covered = Path(__file__).read_text()
    assert all(f'"{name}"' in covered for name in STEPS)
