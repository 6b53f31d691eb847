"""Check workflows and action by GitHub's schemas, and run every shell step of them here, on doubles."""

import os
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import check_jsonschema
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from support.paths import ROOT

ACTION = ROOT / "action.yml"
WORKFLOWS = {path.stem: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BASH = shutil.which("bash")


def load(path):
    return YAML(typ="safe", pure=True).load(path)


def jobs():
    return {name: job for path in WORKFLOWS.values() for name, job in load(path)["jobs"].items()}


def steps():
    found = {f"action: {step.get('name')}": step for step in load(ACTION)["runs"]["steps"]}
    for name, job in jobs().items():
        found |= {f"{name}: {step.get('name')}": step for step in job["steps"]}
    return {name: step for name, step in found.items() if "run" in step}


JOBS, STEPS = jobs(), steps()


@pytest.mark.parametrize(
    ("schema", "paths"), [("github-actions", [ACTION]), ("github-workflows", [*WORKFLOWS.values()])]
)
def test_schema(schema, paths):
    done = CliRunner().invoke(
        check_jsonschema.main, ["--builtin-schema", f"vendor.{schema}", *map(str, paths)]
    )
    assert done.exit_code == 0, done.output


def test_actions_are_pinned_by_hash_and_say_their_version():
    pins = {}
    for path in (ACTION, *WORKFLOWS.values()):
        for words in re.findall(r"uses: (.+)", path.read_text()):
            if words != "./":
                pinned = re.fullmatch(r"([\w-]+/[\w-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", words)
                assert pinned, f"{path.name}: {words}"
                pins.setdefault(pinned[1], set()).add(pinned.group(2, 3))
    assert {action: known for action, known in pins.items() if len(known) > 1} == {}


def test_no_job_may_more_than_it_needs():
    assert all(load(path)["permissions"] == {"contents": "read"} for path in WORKFLOWS.values())
    assert {name: job["permissions"] for name, job in JOBS.items() if "permissions" in job} == {
        "publish": {"id-token": "write"}
    }
    kept = [step for job in JOBS.values() for step in job["steps"] if "checkout@" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in kept)


def test_every_python_that_is_promised_is_tested_in_its_lowest_release_as_well():
    classifiers = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    matrix = JOBS["unit"]["strategy"]["matrix"]
    assert matrix["python"] == classifiers
    assert [each["python"] for each in matrix["include"]] == [f"{version}.0" for version in classifiers]
    assert PROJECT["project"]["requires-python"] == f">={classifiers[0]}"


def test_sessions_that_are_named_exist():
    known = set(re.findall(r"(?m)^@nox\.session.*\ndef (\w+)", (ROOT / "noxfile.py").read_text()))
    files = [ROOT / ".ci" / "run", *WORKFLOWS.values(), *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    named = {name for path in files for name in re.findall(r"nox(?:file\.py)? -s (\w+)", path.read_text())}
    for words in re.findall(r"(?m)^ *python3 noxfile\.py -s ([\w ]+)", (ROOT / ".ci" / "run").read_text()):
        named.update(words.split())
    assert {"unit", "tests", "lint", "smoke", "coverage", "build", "bench"} <= named - {"SESSION"}
    assert named - known == set()


@pytest.mark.parametrize("name", STEPS)
def test_no_expression_inside_a_script(name):
    # What a pull request's author can choose must reach scripts as environment only.
    assert "${{" not in STEPS[name]["run"]


def test_inputs_and_outputs_that_are_used_exist():
    text, action = ACTION.read_text(), load(ACTION)
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(action["inputs"])
    with_inputs = [s["with"] for s in JOBS["ab"]["steps"] if s.get("uses") == "./"]
    assert set(with_inputs[0]) <= set(action["inputs"])
    needed = {name for name, one in action["inputs"].items() if one.get("required")}
    assert needed <= set(with_inputs[0])


class Shell:
    """Run a step as GitHub's runner does, in an empty folder; doubles log how they were called."""

    def __init__(self, folder):
        self.folder = folder
        self.doubles, self.log = folder / "doubles", folder / "log"
        self.doubles.mkdir()
        self.log.touch()

    def double(self, name, body="", where=None):
        """Put a program of that name before all others, or into a folder."""
        path = (where or self.doubles) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!{BASH}\necho "{name} $*" >> "{self.log}"\n{body}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def __call__(self, name, **environ):
        """Run a step; give what became of it, and the calls of doubles so far."""
        for variable in ("summary", "output"):
            (self.folder / variable).touch()
        for folder in ("temp", "work"):
            (self.folder / folder).mkdir(exist_ok=True)
        environment = {
            "PATH": f"{self.doubles}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            **environ,
        }
        # As GitHub calls it: https://docs.github.com/actions/reference/workflow-syntax, defaults.run.shell
        done = subprocess.run(
            [BASH, "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]],
            capture_output=True, text=True, check=False, cwd=self.folder / "work", env=environment,
        )  # fmt: skip
        return done, self.log.read_text()


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "action: Give this job /dev/kvm",
        "quick: Give this job /dev/kvm",
        "integration: Give this job /dev/kvm and user namespaces",
    ],
)
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


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("lint: Check style and types", "python3 noxfile.py -s lint"),
        ("unit: Run the unit tests", "python3 noxfile.py -s unit"),
        ("coverage: Measure coverage", "python3 noxfile.py -s coverage"),
        ("smoke: Install the wheel alone and run every command", "python3 noxfile.py -s smoke"),
        ("fuzz: Fuzz", "python3 noxfile.py -s fuzz --"),
        ("build: Build and check", "python3 noxfile.py -s build"),
        ("build: Install the wheel alone and run every command", "python3 noxfile.py -s smoke -- dist/a.whl"),
        ("integration: Run the tests as root", "sudo -H /usr/bin/python3 noxfile.py -s tests"),
    ],
)
def test_steps_of_one_command(shell, name, command):
    shell.double("python3")
    shell.double("sudo")
    (shell.folder / "work" / "dist").mkdir(parents=True)
    (shell.folder / "work" / "dist" / "a.whl").touch()
    done, log = shell(name)
    assert (done.returncode, log) == (0, f"{command}\n")


def test_the_users_step_is_the_command_of_the_readme():
    command = STEPS["integration: Run the tests as an ordinary user"]["run"].removeprefix("/usr/bin/")
    assert f"{command} " in (ROOT / "README.md").read_text()


def test_coverage_is_shown_where_it_was_measured(shell):
    assert shell("coverage: Show coverage")[0].returncode == 0
    shell.double("coverage", "echo '| Name |'", shell.folder / "work" / ".nox" / "coverage" / "bin")
    (shell.folder / "work" / ".coverage").touch()
    assert shell("coverage: Show coverage")[0].returncode == 0
    assert (shell.folder / "summary").read_text() == "| Name |\n"


@pytest.mark.parametrize(
    ("tag", "section", "said"),
    [
        ("v0.2.0", "## 0.2.0 (2026-11-26)", ""),
        ("v0.3.0", "## 0.2.0 (2026-11-26)", "the tag is v0.3.0, pyproject.toml has 0.2.0"),
        ("v0.2.0", "## Unreleased", "no dated section of 0.2.0"),
    ],
)
def test_what_is_released_is_what_the_tag_says(shell, tag, section, said):
    work = shell.folder / "work"
    work.mkdir()
    (work / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "0.2.0"\n')
    (work / "CHANGELOG.md").write_text(f"# Changelog\n\n{section}\n")
    done, _ = shell("build: Compare tag, version and changelog", GITHUB_REF_NAME=tag)
    assert (done.returncode == 0) == (not said)
    assert said in done.stdout


def test_released_metadata_says_where_the_project_lives(shell):
    assert PROJECT["project"]["urls"] == {}, "then the step is no longer needed"
    (shell.folder / "work").mkdir()
    copy = Path(shutil.copy(ROOT / "pyproject.toml", shell.folder / "work"))
    where = {"GITHUB_SERVER_URL": "https://example.org", "GITHUB_REPOSITORY": "a/b", "GITHUB_REF_NAME": "v1"}
    done, _ = shell("build: Write where the project lives into its metadata", **where)
    assert done.returncode == 0, done.stderr
    written = tomllib.loads(copy.read_text())
    assert written["project"].pop("urls") == {
        "Repository": "https://example.org/a/b",
        "Issues": "https://example.org/a/b/issues",
        "Changelog": "https://example.org/a/b/blob/v1/CHANGELOG.md",
    }
    assert written["project"] == {name: v for name, v in PROJECT["project"].items() if name != "urls"}


def test_the_version_has_a_dated_section():
    version = PROJECT["project"]["version"]
    assert re.search(rf"(?m)^## {version} \(20\d\d-\d\d-\d\d\)$", (ROOT / "CHANGELOG.md").read_text())


def test_every_step_is_run_here():
    covered = (ROOT / "tests" / "architecture" / "test_ci_files.py").read_text()
    assert [name for name in STEPS if f'"{name}"' not in covered] == []
    assert len(JOBS) == sum(len(load(path)["jobs"]) for path in WORKFLOWS.values())
