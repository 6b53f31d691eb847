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


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_and_folders_that_are_named_exist(name):
    named = re.findall(
        r"`((?:bench|runners|results|reports|tests|docs|src)/[^`\s]*)`", (ROOT / name).read_text("utf-8")
    )
    assert len(named) > 15
    assert [path for path in named if "<" not in path and not list(ROOT.glob(path.rstrip("/")))] == []


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
