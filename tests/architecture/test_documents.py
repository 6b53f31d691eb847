"""Hold what documents say of the repository: links lead somewhere, files are there."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest

from support.paths import ROOT
from tare.bench.__main__ import build_parser
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
def test_sessions_and_modules_that_are_run_exist(path):
    text = path.read_text("utf-8")
    sessions = re.findall(r"(?m)^def (\w+)\(session", (ROOT / "noxfile.py").read_text("utf-8"))
    assert set(re.findall(r"(?:nox|noxfile\.py) -s (\w+)", text)) <= set(sessions)
    modules = [
        ROOT / "src" / name.replace(".", "/") for name in re.findall(r"python3? -m (tare[\w.]*)", text)
    ]
    assert [
        one for one in modules if not (one.with_suffix(".py").exists() or (one / "__main__.py").exists())
    ] == []


def test_architecture_is_short():
    assert len((ROOT / "ARCHITECTURE.md").read_text("utf-8").splitlines()) < 150


def commands_in(text):
    """Give the command lines of ``tare`` in fenced blocks of a document."""
    for block in re.findall(r"(?ms)^ *```(?:sh|yaml)\n(.*?)^ *```", text):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.match(r"\s*(?:- run: |\$ )?(?:tare|python3 noxfile.py -s tare --) (.*)", line)
            if command:
                yield shlex.split(command[1], comments=True)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_can_be_parsed(path):
    for words in commands_in(path.read_text("utf-8")):
        own = words[: words.index("--")] if "--" in words else words
        parser, parsers, _ = build_parser(*own[:1])
        _, rest = parser.parse_known_args(own)
        assert rest == [], f"tare {shlex.join(words)}"
        assert own[0] in parsers


def test_most_commands_are_found():
    assert len(list(commands_in((ROOT / "README.md").read_text("utf-8")))) > 15


def test_generated_references_are_current():
    assert stale() == [], REMEDY


def test_the_site_leads_to_every_page():
    site = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))
    named = set(re.findall(r"'([\w/-]+\.md)'", str(site["project"]["nav"])))
    assert named == {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
