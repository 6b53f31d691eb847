"""Files of definitions: what they become, and what is said of those that are wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.paths import ROOT
from tare.bench.experiments.served_command import ServedCommand
from tare.bench.own.definition import Definition, schema
from tare.bench.own.expand import MOST_VARIANTS, expand
from tare.bench.own.files import own_files, read_file, read_own
from tare.bench.workloads.command import Command
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

FIVE = """
[workloads.sort]
command = "sort -n {n}.txt"
parameters = { n = [1, 2.5], fast = [true, false] }
prepare = ["sh", "-c", "echo {n} > {scratch}/x"]
cleanup = "rm {scratch}/x"
stdin = "{n}"
environment = { LEVEL = "{n}" }
exit_codes = [0, 3]
timeout = 5

[workloads.web]
family = "apps"
summary = "one page"
command = "wget http://{address}:{port}/{fast}"
parameters = { fast = ["a/b"] }
metrics.rps = { regex = '([0-9.]+) req/s', unit = "ops/s", direction = "higher", primary = true }

[workloads.web.server]
command = "python3 -m http.server {port} --bind {listen}"
ready = { http = "/" }
client = "host"
"""


def write(folder: Path, text: str, name: str = "x.toml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_definitions_become_workloads_with_their_parameters_filled_in(tmp_path):
    text = FIVE.replace("{n}.txt", "{n}.txt {fast}")
    made = {one.name: one for one in expand(read_own([write(tmp_path, text)]))}
    assert list(made) == [
        "sort:n=1,fast=true", "sort:n=1,fast=false", "sort:n=2.5,fast=true", "sort:n=2.5,fast=false",
        "web:fast=a_b",
    ]  # fmt: skip
    sort, web = made["sort:n=2.5,fast=true"], made["web:fast=a_b"]
    assert isinstance(sort, Command)
    assert sort.argv == ("sort", "-n", "2.5.txt", "true")
    assert sort.parameters == {"n": "2.5", "fast": "true", "command": "sort -n 2.5.txt true"}
    assert (sort.aliases, sort.family, sort.exit_codes) == (("sort",), "own", (0, 3))
    assert (sort.terms.stdin, sort.terms.environ, sort.terms.timeout_seconds) == (
        "2.5",
        (("LEVEL", "2.5"),),
        5,
    )
    assert sort.commands["own-sort:n=2.5,fast=true.cleanup"] == ("rm", "{scratch}/x")
    assert isinstance(web, ServedCommand)
    assert (web.where, web.ready.by, web.ready.path) == ("host", "http", "/")
    assert web.parameters["server"] == "python3 -m http.server '{port}' --bind '{listen}'"
    assert "own-web:fast=a_b.server" in web.commands
    assert len({hash(one) for one in made.values()}) == len(made)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[workloads.a]\ncomand = 'x'", ":2: a.comand: there is no 'comand' here; did you mean command? There are"),
        ("[workloads.a]\nfamily = 'x'", ":1: a: command is missing."),
        ("[workloads.a]\n\ncommand = 3", ":3: a.command: expected text or a list, got a whole number."),
        ("[workloads.a]\ncommand = 'x'\ntimeout = 'long'", ":3: a.timeout: expected a number, got text."),
        ("[workloads.a]\ncommand = 'x'\ntimeout = 0", ":3: a.timeout: expected a number above 0."),
        ("[workloads.a]\ncommand = ''", ":2: a.command: the command is empty."),
        ("[workloads.a]\ncommand = \"x 'y\"", ":2: a.command: \"x 'y\" cannot be split into words: No closing quotation."),
        ("[workloads.a]\ncommand = 'x | y'", ":2: a.command: 'x | y' is written for a shell, but no shell runs it"),
        ("[workloads.a]\ncommand = 'x {m}'\nparameters = { n = [1] }", ":3: a.parameters.n: no command has {n} in it"),
        ("[workloads.a]\ncommand = 'x {port}'", ":2: a.command: {port} is that of a server, and there is none"),
        ("[workloads.a]\ncommand = 'x'\nparameters = { n = [] }", ":3: a.parameters.n: the list is empty, and needs a value."),
        ("[workloads.a]\ncommand = 'x'\n[workloads.a.metrics.m]\nregexp = '1'", ":4: a.metrics.m.regexp: there is no"),
        ("[workloads.a]\ncommand = 'x'\nmetrics.m = {}", ":3: a.metrics.m: give either regex or json."),
        ("[workloads.a]\ncommand = 'x'\nmetrics.m = {regex = '('}", ":3: a.metrics.m: the regular expression '(' cannot"),
        ("[workloads.a]\ncommand = 'x'\nmetrics.m = {regex = '1'}", "has no group, as in"),
        ("[workloads.a]\ncommand = 'x'\nmetrics.m = {json='a', primary=true}", "needs a direction, lower or higher."),
        ("[workloads.a]\ncommand = 'x'\nmetrics.'cpu.host' = {json='a'}", "the name of a metric begins with a letter"),
        ("[workloads.a]\ncommand = 'x'\nserver.command = 'y'\nserver.client = 'hst'", ":4: a.server.client: cannot use 'hst'; give 'same', "),
        ("[workloads.a]\ncommand = 'x'\nmetrics.m = {regex='(1)', direction='up'}", ":3: a.metrics.m.direction: cannot use 'up'; give 'lower', 'h"),
        ("[workloads.a]\ncommand = 'x'\nexit_codes = []", ":3: a.exit_codes: the list is empty, and needs a value; give 'any' or a list of"),
        ("[workloads.a]\ncommand = 'x'\nexit_codes = [256]", ":3: a.exit_codes: expected a whole number of at most 255; give 'any' or"),
        ("[workloads.a]\ncommand = 'x'\nexit_codes = 3", ":3: a.exit_codes: expected text or a list, got a whole number; give 'any'"),
        ("[workloads.a]\ncommand = 'x'\nenvironment = { 'A=B' = '1' }", "'A=B': a variable has a name without ="),
        ("[workloads.a]\ncommand = 'x'\nenvironment = { A = \"\\u0000\" }", "no character 0 in it."),
        ("[workloads.a]\ncommand = ['x', \"\\u0000\"]", ":2: a.command: a word of a command cannot have the character 0"),
        ("[workloads." + "x" * 5000 + "]\ncommand = 'x'", f": {'x' * 80}…: a name begins with a letter"),
        ("[workloads.a]\ncommand = 'x'\n[workloads.a.server]\nport = 1\nsocket = 's'\ncommand = 'y'", ":5: a.server.socket: a server has either"),
        ("[workloads.a]\ncommand = 'x'\nserver = {command='y', ready={line='('}}", "a.server.ready.line: the regular"),
        ("[workloads.a]\ncommand = 'x'\nserver = {command='y', ready={line='a', http='/'}}", "give one of line, http and listens."),
        ("[workloads.a]\ncommand = 'x'\nserver = {command='y', socket='s', ready={listens=true}}", "no port to listen at"),
        ("[workloads.'a b']\ncommand = 'x'", "a b: a name begins with a letter"),
        ("[workloads]\na = 1", ":2: a: a workload is a table, as under [workloads.NAME]."),
        ("workloads = 1", "workloads: definitions are tables"),
        ("[workload.a]\ncommand = 'x'", "definitions are in tables like [workloads.workload]; did you mean workloads?"),
        ("[workloads.a]\ncommand = 'x'\nparameters = { port = [1] }", "a parameter cannot be called 'port'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_with_its_line(tmp_path, text, said):
    path = write(tmp_path, text)
    (problem,) = read_file(path).problems
    assert problem.startswith(str(path))
    assert said in problem
    assert problem.count("\n") == 0
    with pytest.raises(UsageError) as caught:
        read_own([path])
    assert said in str(caught.value)


def test_one_wrong_definition_hides_no_other(tmp_path):
    path = write(tmp_path, "[workloads.a]\n[workloads.b]\ncommand = 'x'\n[workloads.c]\ncommand = 1")
    found = read_file(path)
    assert (list(found.definitions), len(found.problems)) == (["b"], 2)
    with pytest.raises(UsageError, match=r"\(and 1 more: `tare workloads check"):
        read_own([path])


@pytest.mark.parametrize(
    "text", ["[workloads.a\n", "a = ", "\x00", "[workloads.a]\ncommand = 'x'\n[workloads.a]"]
)
def test_what_is_no_toml_is_one_sentence(tmp_path, text):
    with pytest.raises(UsageError, match="cannot be used: it is not TOML"):
        read_file(write(tmp_path, text))
    with pytest.raises(UsageError, match="cannot be read"):
        read_file(tmp_path / "missing.toml")


def test_the_settings_file_and_the_folder_beside_it_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert own_files() == ()
    write(tmp_path, "[run]\nrunners = ['bare']\n[workloads.a]\ncommand = 'x'", "tare.toml")
    write(tmp_path, "[workloads.b]\ncommand = 'x'", "workloads/b.toml")
    assert list(read_own(own_files())) == ["a", "b"]
    write(tmp_path, "[workloads.a]\ncommand = 'x'", "workloads/c.toml")
    with pytest.raises(UsageError, match=r"c\.toml: there is a workload a in tare\.toml already"):
        read_own(own_files())
    elsewhere = write(tmp_path, "[workloads.d]\ncommand = 'x'", "other/tare.toml")
    assert list(read_own(own_files(elsewhere))) == ["d"]


def test_variants_that_are_too_many_or_look_alike_are_refused():
    many = Definition(command="x {a} {b}", parameters={"a": tuple(range(20)), "b": tuple(range(20))})
    with pytest.raises(UsageError, match=f"400 combinations of its parameters; {MOST_VARIANTS} are"):
        expand({"m": many})
    alike = Definition(command="x {a}", parameters={"a": ("a/b", "a?b")})
    with pytest.raises(UsageError, match="m:a=a_b: two values of its parameters look alike"):
        expand({"m": alike})


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(["command", "metrics", "server", "ready", "parameters", "x"]), inner, max_size=3)))  # fmt: skip
def test_whatever_stands_in_a_definition_ends_in_a_definition_or_a_sentence(raw):
    from tare.bench.own.checking import Problem, check  # noqa: PLC0415

    found = check("a", raw)
    assert isinstance(found, Definition) or (isinstance(found, Problem) and "\n" not in found.text)


def test_the_published_schema_is_that_of_the_definitions():
    published = (ROOT / "docs" / "own-workloads.schema.json").read_text("utf-8")
    assert published == json.dumps(schema(), indent=2) + "\n", (
        "write json.dumps(schema(), indent=2) to the file"
    )


def test_the_examples_of_the_documentation_are_right(tmp_path):
    page = (ROOT / "docs" / "own-workloads.md").read_text("utf-8")
    examples = [
        part.partition("```")[0] for part in page.split("```toml\n")[1:] if part.startswith("[workloads")
    ]
    for text in examples:
        found = read_file(write(tmp_path, text))
        assert found.problems == ()
        assert expand(found.definitions)
    assert len(examples) > 1
