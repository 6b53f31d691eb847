"""Check workflows and action by GitHub's schemas, and run every shell step of them here, on doubles."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import check_jsonschema
import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
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


def test_constraints_pin_everything_that_the_project_asks_for():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {}
    for one in (Requirement(line) for line in lines if not line.startswith("#")):
        pinned.setdefault(one.name, []).append(str(one.specifier).removeprefix("=="))
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    for wanted in (project["dependencies"], *project["optional-dependencies"].values(), *groups.values()):
        for one in map(Requirement, wanted):
            assert pinned.get(one.name.lower()), f"{one.name} is not in constraints.txt: nox -s lock"
            assert all(version in one.specifier for version in pinned[one.name.lower()]), one


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
                pinned = re.fullmatch(r"([\w-]+/[\w-]+)(?:/[\w-]+)*@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", words)
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


def measure(shell, code=0, writes="", **environ):
    """Run the action's step with a double of tare; give the step, its output, and the words of each call of tare."""
    body = (
        f'for word in "$@"; do printf "%s\\n" "$word"; done >> words; echo . >> words; {writes}\nexit {code}'
    )
    shell.double("tare", body, shell.folder / "temp" / "tare" / "bin")
    given = {
        name.upper().replace("-", "_"): str(one.get("default", ""))
        for name, one in load(ACTION)["inputs"].items()
    }
    done, _ = shell("action: Measure", **given | environ)
    words = shell.folder / "work" / "words"
    calls = words.read_text().removesuffix(".\n").split(".\n") if words.exists() else []
    output = dict(line.split("=", 1) for line in (shell.folder / "output").read_text().splitlines())
    return done, output, [call.splitlines() for call in calls]


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, "pass"), (1, "regression"), (4, "incomplete"), (3, "failed"), (130, "failed")]
)
def test_measure_step_hands_on_words_and_exit_code(shell, code, verdict):
    done, output, (words,) = measure(
        shell, code, BASE="./a 'b c' $(touch owned)", HEAD="./d", RUNNERS="bare,namespaces",
        OPTIONS="--quick --budget 5\n  --name 'two words' --label \"a=$(touch owned)\"", THRESHOLDS="t.toml",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert words[:5] == ["ab", "--base", "./a 'b c' $(touch owned)", "--head", "./d"]
    assert words[5:7] == ["--thresholds", "t.toml"]
    at = words.index("--quick")
    assert words[at : at + 9] == [
        "--quick", "--budget", "5", "--name", "two words", "--label", "a=$(touch owned)", "--runners", "bare,namespaces",
    ]  # fmt: skip
    assert (output["exit-code"], output["verdict"]) == (str(code), verdict)
    assert not (shell.folder / "work" / "owned").exists()


def test_two_settings_are_compared_line_by_line_on_a_command(shell):
    done, _, (words,) = measure(
        shell,
        BASE_SET="run.image=old image.tar\nguest.kernel=a\n",
        HEAD_SET="run.image=new.tar",
        COMMAND="app --check 'x y'",
    )
    assert done.returncode == 0, done.stderr
    sides = [
        "--base-set",
        "run.image=old image.tar",
        "--base-set",
        "guest.kernel=a",
        "--head-set",
        "run.image=new.tar",
    ]
    assert words[1:7] == sides
    assert words[-4:] == ["--", "app", "--check", "x y"]


WRITES_REPORT = (
    'mkdir -p "$RUNNER_TEMP/tare-out/reports/r1"; echo "# Answer" > "$RUNNER_TEMP/tare-out/reports/r1/summary.md";'
    'touch "$RUNNER_TEMP/tare-out/reports/r1/index.html"'
)


def test_a_run_shows_its_summary_and_says_where_the_report_is(shell):
    done, output, (words,) = measure(shell, writes=WRITES_REPORT, MODE="run", RUNNERS="", OPTIONS="-k cpu")
    assert done.returncode == 0, done.stderr
    assert words[:3] == ["run", "-k", "cpu"]
    assert "--runners" not in words
    assert output["report"].endswith("reports/r1/index.html")
    assert (shell.folder / "summary").read_text() == "# Answer\n"


def test_a_history_is_pushed_and_pulled_from_its_store(shell):
    done, output, calls = measure(shell, writes=WRITES_REPORT, MODE="history", STORE="/kept runs")
    assert done.returncode == 0, done.stderr
    assert calls[1][:4] == ["store", "push", "--store", "/kept runs"]
    assert calls[2][:5] == ["store", "pull", "--all", "--store", "/kept runs"]
    assert calls[3][0] == "history"
    assert "--with-quick" not in calls[3]
    assert output["verdict"] == "pass"


def test_a_history_says_first_what_changed_and_takes_in_quick_runs_if_it_makes_them(shell):
    changed = 'case "$1" in history) echo "# Changed" > "$RUNNER_TEMP/tare-out/history.md" ;; esac'
    done, _, calls = measure(
        shell, writes=f"{WRITES_REPORT}; {changed}", MODE="history", STORE="/kept", OPTIONS="--quick -k cpu"
    )
    assert done.returncode == 0, done.stderr
    assert "--with-quick" in calls[3]
    assert (shell.folder / "summary").read_text() == "# Changed\n\n# Answer\n"


@pytest.mark.parametrize(
    ("environ", "said"),
    [({"MODE": "weigh"}, "not weigh"), ({"OPTIONS": "--name 'half"}, "options: a quotation")],
)
def test_measure_step_says_what_cannot_be_used(shell, environ, said):
    done, output, calls = measure(shell, **environ)
    assert (said in done.stdout, calls) == (True, [])
    assert output.get("exit-code", "2") == "2"


@pytest.mark.parametrize(("known", "method"), [("", "POST"), ("77", "PATCH")])
def test_one_comment_is_kept_up_to_date(shell, known, method):
    shell.double(
        "gh",
        f'case "$*" in *--paginate*) echo "{known}" ;; *) cp "${{@: -1:1}}" body 2>/dev/null || cp "$RUNNER_TEMP/comment.md" body ;; esac',
    )
    (shell.folder / "long.md").write_text("# regression\n" + "x" * 100_000)
    done, log = shell(
        "action: Keep the comment up to date", NUMBER="5", REPOSITORY="a/b", SUMMARY=str(shell.folder / "long.md"),
        VERDICT="regression", MARKER="<!-- tare: ab -->",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"--method {method}" in log
    assert ("comments/77" in log) == bool(known)
    body = (shell.folder / "work" / "body").read_text()
    assert body.startswith("<!-- tare: ab -->\n# regression\n")
    assert len(body) < 65_536


@pytest.mark.parametrize("refused", ["--paginate", "POST"])
def test_a_comment_that_may_not_be_written_fails_no_job(shell, refused):
    shell.double("gh", f'case "$*" in *{refused}*) exit 1 ;; esac')
    done, _ = shell(
        "action: Keep the comment up to date", NUMBER="5", REPOSITORY="a/b", SUMMARY="", VERDICT="pass", MARKER="<!-- -->"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "::warning::" in done.stdout


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
        ("smoke: Build the wheel and the source archive and check both", "python3 noxfile.py -s build"),
        ("smoke: Install the wheel alone and run every command", "python3 noxfile.py -s smoke -- dist/a.whl"),
        ("image: Build the image and run it", "sudo -H /usr/bin/python3 noxfile.py -s image"),
        ("site: Build the documentation and check its links", "python3 noxfile.py -s site"),
        ("fuzz: Fuzz", "python3 noxfile.py -s fuzz --"),
        ("build: Build and check", "python3 noxfile.py -s build"),
        ("build: Install the wheel alone and run every command", "python3 noxfile.py -s smoke -- dist/a.whl"),
        ("integration: Run the tests as root", "sudo -H /usr/bin/python3 noxfile.py -s tests kvm"),
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


COMPONENT = ROOT / "templates" / "tare.yml"


def component(**given):
    """Fill in the component's inputs as GitLab does, and give its only job."""
    head, _, body = COMPONENT.read_text().partition("\n---\n")
    inputs = YAML(typ="safe", pure=True).load(head)["spec"]["inputs"]
    assert {name for name, one in inputs.items() if "default" not in one} <= set(given)
    for name, one in inputs.items():
        body = body.replace(f"$[[ inputs.{name} ]]", given.get(name, one.get("default")))
    assert "$[[" not in body
    return YAML(typ="safe", pure=True).load(body)


def test_component_of_gitlab_keeps_to_its_schema(tmp_path):
    filled = tmp_path / "ci.json"
    filled.write_text(json.dumps(component(base="./a", head="./b")))
    done = CliRunner().invoke(
        check_jsonschema.main,
        ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", str(filled)],
    )
    assert done.exit_code == 0, done.output


def test_component_of_gitlab_keeps_its_cache_whatever_the_image_and_the_outcome():
    (job,) = component(base="./a", head="./b").values()
    # A key with a / is refused: https://docs.gitlab.com/ci/yaml/#cachekey
    assert set(re.findall(r"\$\w+", job["cache"]["key"])) == {"$CI_JOB_NAME_SLUG"}
    assert job["cache"]["when"] == "always"


@pytest.mark.parametrize("code", [0, 1])
def test_component_of_gitlab_hands_on_words_and_exit_code(shell, code):
    (job,) = component(base="./a 'b c'", head="./d", options="--name 'two words' $(touch owned)").values()
    shell.double("python3", 'if [ "$2" = venv ]; then exit 0; fi; exec ' + sys.executable + ' "$@"')
    work = shell.folder / "work"
    tools = work / ".tare" / "bin"
    shell.double("python", where=tools)
    shell.double("tare", f'if [ "$1" = ab ]; then printf "%s\\n" "$@" > words; exit {code}; fi', where=tools)
    variables = {name: one["value"] for name, one in job["variables"].items() if isinstance(one, dict)}
    done = subprocess.run(
        [BASH, "-eo", "pipefail", "-c", "\n".join(job["script"])],
        capture_output=True, text=True, check=False, cwd=work,
        env={"PATH": f"{shell.doubles}:{os.environ['PATH']}", **variables},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    words = (work / "words").read_text().splitlines()
    assert words[:7] == ["ab", "--base", "./a 'b c'", "--head", "./d", "--runners", "bare"]
    assert words[-4:] == ["--name", "two words", "$(touch", "owned)"]
    assert not (work / "owned").exists()
    assert "export latest --format gitlab" in shell.log.read_text()
    written = {job["artifacts"]["reports"][one].partition("/")[2] for one in ("junit", "metrics")}
    assert written == {"junit.xml", "metrics.txt"}


@pytest.mark.parametrize("unit", sorted((ROOT / "docs" / "ci").glob("*.*")), ids=lambda path: path.name)
def test_units_of_systemd_are_well_formed(unit):
    if not (analyze := shutil.which("systemd-analyze")):
        pytest.skip("systemd-analyze is not installed. Remedy: apt install systemd")
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert "tare-nightly" not in done.stderr, done.stderr
