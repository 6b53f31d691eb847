"""What the suite says is repeated in Korean, with all that it was made of."""

from __future__ import annotations

import contextlib
import re

import pytest

from support.text_keys import said_sentences, templates
from tare.reports.content.finishing import finished
from tare.reports.content.nodes import Cell, Section, Table
from tare.reports.text.repeated import WORDS, repeat
from tare.reports.text.words import quotable, words
from tare.results.origins import origins
from tare.results.said import Name, listed, say
from tare.runners.agent import sentences
from tare.runners.launcher.processes import SpawnError
from tare.runners.launcher.steps.files import ChangeDirectory, MakeDirectory, WriteFile
from tare.runners.launcher.steps.mounts import ChangeRoot, Mount, PivotRoot
from tare.runners.launcher.steps.namespaces import MapUser, NewNamespace, SetHostname
from tare.runners.launcher.steps.network import JoinPair
from tare.runners.launcher.steps.process import KeepCapabilities, NoNewPrivileges, SetLimit, Spin

STEPS = (
    ChangeDirectory("/work"), MakeDirectory("/work"), WriteFile("/proc/self/uid_map", "0 0 1"), ChangeRoot("/tree"),
    PivotRoot("/tree"), Mount("/tree", source="overlay", kind="overlay", data="lowerdir=/a"), NewNamespace("mount"),
    MapUser(1000, 1000), SetHostname("tare"), KeepCapabilities(frozenset({1})), NoNewPrivileges(),
    SetLimit("processes", 6, 10, 10), Spin(1e-5), JoinPair("tare0", 9, "10.0.0.2", "10.0.0.1"),
)  # fmt: skip

LATIN = re.compile(r"(?<![\w./`:-])[a-z]{2,} [a-z]{2,}(?![\w.:/=-])")
"""Two words of small letters in a row."""


TEXTS = (
    *(step.describe() for step in STEPS),
    sentences.DIED,
    sentences.DEAF,
    sentences.no_hello(5.0),
    sentences.no_end(say("agent.not_started", "the job was not started")),
    sentences.contradiction(say("agent.started_twice", "the job started twice")),
    sentences.with_waiting(sentences.SILENT_AT_PINGS, ["Pong"]),
    str(SpawnError(say("launcher.no_program", "cannot start the program {name}", name="sh"), 0)),
    listed([f"{sentences.DIED}", f"{sentences.DEAF}"]),
)
SAID = origins(TEXTS)
"""A process forgets what was said long ago, as this is when its tests come."""


@pytest.mark.parametrize("text", TEXTS)
def test_steps_and_failures_are_korean(text: str) -> None:
    told = repeat(text, words("ko"), SAID)
    assert re.search("[가-힣]", told)
    assert not LATIN.search(told), told


def test_an_unknown_text_stays_as_it_is_within_others() -> None:
    assert repeat(sentences.no_setup("disk full here"), words("ko")).endswith(": disk full here.")


COMMANDS = re.compile(
    "`[^`]*`|“[^”]*”|apt(-get)? install [a-z0-9 .-]*|docker save|tare [a-z-]+[^가-힣]*|python -m [^가-힣]*"
    "|sudo [a-z]+|podman (load|rm)|modprobe tun|pip install|diff id|boot id"
)
"""Commands, and two names of fields."""


def test_no_korean_text_has_an_english_phrase() -> None:
    assert {
        key: text for key, text in words("ko").texts.items() if LATIN.search(COMMANDS.sub("", text))
    } == {}


def test_fields_and_sides_are_named_and_names_that_are_not_known_stay():
    spoken = words("ko")
    assert (
        repeat(
            say("fact.changed", "{name}: {before} → {after}", name="network", before="a", after="b"), spoken
        )
        == "네트워크: a → b"
    )
    assert (
        repeat(say("fact.changed", "{name}: {before} → {after}", name="cpu.x", before="a", after="b"), spoken)
        == "cpu.x: a → b"
    )
    text = say("left_out_of", "{trials} of the {side} left out", trials="x", side="head")
    assert repeat(text, spoken) == "비교 대상의 x 제외"


def test_texts_of_the_english_catalogue_are_repeated_where_they_were_quotable() -> None:
    spoken = quotable()
    text = spoken("answer.time", told=spoken("answer.less", amount="3 %"))
    assert text == words("en")("answer.time", told="3 % less")
    assert repeat(text, words("ko")) == "시간: 3% 감소"
    assert origins([text]) == {}, "a record has none of them"


NAMES = ("host", "none", "block", "time", "idle", "load")
"""Names that users may give, and that are words of the suite, too."""


@pytest.fixture
def _vocabulary() -> None:
    say("terminal.time", "time")
    say("starts.places", "places")


@pytest.mark.usefixtures("_vocabulary")
@pytest.mark.parametrize("name", NAMES)
def test_somebodys_name_is_no_word_of_the_suite_in_any_sentence(name: str) -> None:
    spoken = words("ko")
    translated = []
    for code, template, names in templates():
        for one in names - WORDS:
            if f"{{{one}" not in spoken.texts.get(f"said.{code}", ""):
                continue
            given = dict.fromkeys(names, "7") | {one: name}
            with contextlib.suppress(ValueError):  # a format for numbers alone
                told = repeat(say(code, template, **given), spoken)
                translated += [] if name in told else [(code, one)]
    assert translated == []


def test_placeholders_for_words_of_the_suite_are_those_of_its_sentences() -> None:
    assert {name for _, names in said_sentences() for name in names} >= WORDS


def test_words_of_the_suite_are_repeated_where_a_sentence_has_a_place_for_them() -> None:
    spoken = words("ko")
    told = say("fact.changed", "{name}: {before} → {after}", name="network", before="none", after="host")
    assert repeat(told, spoken) == "네트워크: 없음 → 호스트"
    assert repeat("none", spoken) == "없음", "a value of the record by itself"


def test_marked_names_are_repeated_in_no_language() -> None:
    assert repeat(Name("none"), words("ko")) == "none"
    row = Cell(Name("host"), detail="5 %", recorded=True)
    told = finished(Section("", "", (Table("", (), ((row,),)),)), words("ko"))
    assert told.body == (Table("", (), ((Cell("host", detail="5%", recorded=True),),)),)


def test_runs_called_as_the_sides_of_a_comparison_keep_their_names() -> None:
    text = quotable()("comparison.host_of", name="base", host="x")
    assert repeat(text, words("ko")) == "base: x"
