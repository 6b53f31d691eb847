"""Hold what documents say of the repository: links lead somewhere, files are there."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import textwrap
import tomllib

import pytest

from support.imports import modules, tree
from support.paths import ROOT
from tare.bench.__main__ import build_parser
from tare.bench.own.checking import Problem, check
from tare.bench.tools.references.__main__ import REMEDY, stale

DOCUMENTS = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text("utf-8"))
    here = [link for link in links if "://" not in link]
    assert [link for link in here if not (path.parent / link).exists()] == []


MADE_BY_RUNS = ("results/runs", "results/baselines", "reports/out")
HISTORY = "CHANGELOG.md"
"""It names files as they were."""
NOW = [path for path in DOCUMENTS if path.name != HISTORY]


def named_in(path):
    """Give the files and folders of the repository that a document names."""
    named = re.findall(
        r"`((?:bench|runners|results|reports|tests|docs|src|templates|man)/[^`\s]*)`", path.read_text("utf-8")
    )
    return [one.rstrip("/") for one in named if "<" not in one and not one.startswith(MADE_BY_RUNS)]


@pytest.mark.parametrize("path", NOW, ids=lambda path: path.name)
def test_files_and_folders_that_are_named_exist(path):
    assert [one for one in named_in(path) if not list(ROOT.glob(one))] == []


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_most_named_files_are_found(name):
    assert len(named_in(ROOT / name)) > 15


def test_names_are_in_the_files_that_they_are_said_to_be_in():
    texts = [path.read_text("utf-8") for path in NOW]
    pairs = [pair for text in texts for pair in re.findall(r"`(\w+)` (?:in|of) `([\w/]+\.py)`", text)]
    assert len(pairs) > 5
    assert [pair for pair in pairs if not re.search(rf"\b{pair[0]}\b", (ROOT / pair[1]).read_text())] == []


@pytest.mark.parametrize("path", NOW, ids=lambda path: path.name)
def test_modules_that_are_run_exist(path):
    named = re.findall(r"python3? -m (tare[\w.]*)", path.read_text("utf-8"))
    modules = [ROOT / "src" / name.replace(".", "/") for name in named]
    assert [
        one for one in modules if not (one.with_suffix(".py").exists() or (one / "__main__.py").exists())
    ] == []


def test_architecture_is_short():
    assert len((ROOT / "ARCHITECTURE.md").read_text("utf-8").splitlines()) < 150


FENCED = r"(?ms)^ *```(\w*)\n(.*?)^ *```"
COMMAND = re.compile(r"\s*(?:- run: |\$ )?(?:tare|python3 noxfile\.py -s tare --) ([a-z].*)")


def commands_in(text):
    """Give the command lines of ``tare`` in blocks of a document, fenced and indented ones."""
    blocks = [block for kind, block in re.findall(FENCED, text) if kind in {"sh", "yaml", "console"}]
    blocks.append("\n".join(re.findall(r"(?m)^ {4}.*$", re.sub(FENCED, "", text))))
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        for part in line.split(" && "):
            if command := COMMAND.match(part):
                yield shlex.split(command[1], comments=True)


def mentioned_in(text):
    """Give the commands of ``tare`` in running text, which may lack what a call needs."""
    for found in re.findall(r"(?s)`tare ([a-z][^`]*)`", re.sub(FENCED, "", text)):
        yield shlex.split(" ".join(found.split()))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_can_be_parsed(path):
    for words in commands_in(path.read_text("utf-8")):
        own = words[: words.index("--")] if "--" in words else words
        parser, parsers, _ = build_parser(*own[:1])
        _, rest = parser.parse_known_args(own)
        assert rest == [], f"tare {shlex.join(words)}"
        assert own[0] in parsers


def options_of(parser):
    """List the options of a parser and of those below it."""
    below = (
        each
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for each in action.choices.values()
    )
    return {*parser._option_string_actions, *(name for each in below for name in options_of(each))}


@pytest.mark.parametrize(
    "path", [each for each in DOCUMENTS if each.name != "CHANGELOG.md"], ids=lambda path: path.name
)
def test_commands_that_are_mentioned_exist_with_their_options(path):
    for words in mentioned_in(path.read_text("utf-8")):
        own = words[: words.index("--")] if "--" in words else words
        _, parsers, _ = build_parser(own[0])
        assert own[0] in parsers, f"tare {shlex.join(words)}"
        named = {word.strip("[]").partition("=")[0] for word in own if word.strip("[]").startswith("--")}
        assert named - options_of(parsers[own[0]]) == set(), f"tare {shlex.join(words)}"


def test_definitions_in_documents_are_right():
    blocks = re.findall(FENCED, (ROOT / "docs/own-workloads.md").read_text("utf-8"))
    tables = [tomllib.loads(block)["workloads"] for kind, block in blocks if kind == "toml"]
    assert len(tables) > 1
    assert [
        made
        for table in tables
        for name, raw in table.items()
        if isinstance(made := check(name, raw), Problem)
    ] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_examples_in_python_are_python(path):
    for kind, block in re.findall(FENCED, path.read_text("utf-8")):
        if kind == "python":
            ast.parse(re.sub(r"<\w+>", "name", textwrap.dedent(block)))


def test_messages_that_troubleshooting_explains_are_still_said():
    said = {
        re.sub(r"\{[^}]*\}", "…", node.value)
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    rows = re.findall(r"(?m)^(?:\||- ).*$", (ROOT / "docs/troubleshooting.md").read_text("utf-8"))
    first = [found[1] for row in rows if (found := re.match(r"\| `([^`]+)`", row))]
    quoted = {
        *first,
        *(text for row in rows for text in re.findall(r"`([^`]*…[^`]*)`", row) if " -- " not in text),
    }
    assert len(quoted) > 15
    pieces = {text: [piece for each in text.split("…") if (piece := each.strip(" .:;,"))] for text in quoted}
    assert {
        t for t, each in pieces.items() if not all(any(piece in one for one in said) for piece in each)
    } == set()


def test_most_commands_are_found():
    texts = {
        name: (ROOT / name).read_text("utf-8")
        for name in ("README.md", "docs/store.md", "docs/own-workloads.md")
    }
    assert [
        len(list(commands_in(text))) > least for text, least in zip(texts.values(), (15, 5, 2), strict=True)
    ] == [True] * 3
    assert len(list(mentioned_in(texts["README.md"]))) > 3


def test_generated_references_are_current():
    assert stale() == [], REMEDY


def test_the_site_leads_to_every_page():
    site = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))
    named = set(re.findall(r"'([\w/-]+\.md)'", str(site["project"]["nav"])))
    assert named == {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
