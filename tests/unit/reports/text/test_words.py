from __future__ import annotations

import errno
import os
import re
import string
from typing import TYPE_CHECKING, get_args

import msgspec
import pytest

from support.paths import ROOT
from support.shapes import CONDITIONS
from support.text_keys import (
    asked_texts,
    fixed_sentences,
    recorded_conditions,
    said_sentences,
    templates,
    unsaid_errors,
    unsaid_lines,
)
from tare.reports.content import headlines
from tare.reports.content.headlines import NAMED, WHAT
from tare.reports.content.page import DOUBTS, REASONS
from tare.reports.content.sections import crowd, deploy, engines
from tare.reports.content.sections.glossary import HEADS, TERMS
from tare.reports.model import LANGUAGES, Language
from tare.reports.plots import PLOTS
from tare.reports.render.changes import COLUMNS, VERDICTS
from tare.reports.summaries.cpu import PARTS, VIEWS
from tare.reports.summaries.exits import BASELINE, CLASSES
from tare.reports.summaries.headline import GroupKind
from tare.reports.summaries.matrix import APART, FAMILIES
from tare.reports.text.enumerated import some
from tare.reports.text.words import words
from tare.results.details import AttemptVerdict
from tare.results.environment import ProbeEnd
from tare.results.judgement.claims.declared import CLAIMS, Rule
from tare.results.judgement.claims.model import Code, Label, Measure, Tells
from tare.results.judgement.claims.model import Outcome as ClaimOutcome
from tare.results.judgement.comparison import Verdict
from tare.results.record import MARKS, Outcome
from tare.results.storage.fleet import Status
from tare.results.storage.load import ProblemKind
from tare.runners.inside.attempts import SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterable


def placeholders(text: str) -> set[str]:
    return {name for _text, name, _format, _conversion in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogues_have_the_same_keys_and_placeholders(language: str) -> None:
    base = words("en").texts
    other = {
        k: text
        for k, text in words(language).texts.items()
        if not k.startswith(("said.", "value.", "system.", "field.", "mode.", "status.", "side."))
    }
    assert base.keys() == other.keys()
    assert {k: placeholders(t) for k, t in base.items()} == {k: placeholders(t) for k, t in other.items()}


def test_nouns_agree_with_their_numbers() -> None:
    spoken = words("en")
    told = [spoken("answer.price_blocks", blocks=blocks) for blocks in (1, "1", 2, "1,000")]
    assert [one.removeprefix("undecided: about ") for one in told] == [
        "1 more block", "1 more block", "2 more blocks", "1,000 more blocks",
    ]  # fmt: skip
    assert (
        spoken("headline.all_failed", n=3)
        == "Nothing could be measured: all 3 trials ended without a number."
    )
    assert spoken("headline.all_skipped", n=1) == "Nothing was measured: 1 case was skipped."


@pytest.mark.parametrize(
    ("language", "row", "rest"), [("en", "a, b; c", "a, b and 1 more"), ("ko", "a, b · c", "a, b 외 1개")]
)
def test_the_first_of_many_texts_are_named_with_one_sign_between_them(
    language: Language, row: str, rest: str
) -> None:
    spoken = words(language)
    assert some(["a", "b"], 2, spoken) == "a, b"
    assert some(["a, b", "c"], 2, spoken) == row
    assert some(["a", "b", "c, d"], 2, spoken) == rest
    assert some([], 2, spoken) == ""


def test_no_noun_stays_plural_beside_a_1() -> None:
    nouns = "answers|blocks|cases|comparisons|improvements|processes|regressions|rows|runs|samples|starts|trials|workloads"
    texts = {
        key: re.sub(r"{\w+:[^{}|]*\|[^{}]*({[^{}]*}[^{}|]*)?}", "", text)
        for key, text in words("en").texts.items()
    }
    stiff = {key for key, text in texts.items() if re.search(rf"{{\w+}} (more )?({nouns})\b", text)}
    # A text of its own says the one; the others need several.
    assert {key for key in stiff if f"{key}_one" not in texts} == {
        "claims.because_exits_explain", "claims.because_exits_uncounted", "claims.rule_loss", "flame.deep", "history.few",
        "history.some_few",
    }  # fmt: skip


def test_korean_is_korean() -> None:
    without_values = {key: re.sub(r"{[^{}]*}", "", text) for key, text in words("ko").texts.items()}
    latin = {
        k
        for k, text in without_values.items()
        if re.search("[A-Za-z]", text) and not re.search("[가-힣]", text)
    }
    assert latin == {
        "page.open_svg", "page.open_png", "column.n", "column.p50", "column.p99", "figure.n", "answer.cpu",
        "answer.cpu_cost", "said.kubernetes.failed", "said.fleet.bad_wait", "said.own.bad_timeout", "said.request.own",
        "said.docker.bad_host", "said.host.ip_words", "said.guest.grub", "said.host.mincore",
        "said.fetch.dpkg", "said.noun.cgroup", "said.removed.cgroup", "said.kernel.zstd_failed", "flame.told_of_two",
    }, "names, units and options"  # fmt: skip


FILES = {"trials.jsonl", "manifest.json", "pytest-benchmark.json"}
"""Files that the page links to by a name of its own; others keep theirs."""

VALUES: dict[str, Iterable[str]] = {
    "answer.source.{source}": ("cgroup", "process", "rusage", "agent", "launcher"),
    "attempt.{name}": SCOPES,
    "banner.{status}": ("interrupted", "running"),
    "banner.{status}_title": ("interrupted", "running"),
    "changes.{comparison.verdict}": get_args(Verdict),
    "changes.{counts.verdict}": (*get_args(Verdict), "refused"),
    "changes.{name}": COLUMNS,
    "changes.{verdict}": VERDICTS,
    "claim.{verdict.claim}": [claim.id for claim in CLAIMS],
    "claims.because_{verdict.reason.code}": get_args(Code),
    "claims.end_{found.method}": ("slowest", "p99"),
    "claims.label_{finding.label}": [label for label in get_args(Label) if label],
    "claims.measure_{finding.measure}": get_args(Measure),
    "claims.rule_{kind}": [kind.__name__.lower() for kind in get_args(Rule)],
    "claims.tells_{finding.tells}": [tells for tells in get_args(Tells) if tells != "uncounted"],
    "claims.{outcome}": get_args(ClaimOutcome),
    "claims.{verdict.outcome}": get_args(ClaimOutcome),
    "condition.{name.replace(' ', '_')}": (
        *(name.replace(" ", "_") for name in CONDITIONS),
        *("battery", "throttling", "clock_source", "work_folder"),
    ),
    "cpu.{name}": ("vantage", *PARTS),
    "crowd.{name}": (
        *("places", "first_quarter", "last_quarter"),
        *(name.removeprefix("density.").replace(".", "_") for name in crowd.MEMORY),
    ),
    "data.file.{name}": FILES,
    "data.{name}": ("run", "seed", "mode", "commit", "branch", "labels", "images", "argv"),
    "doubt.{reason}": DOUBTS,
    "deploy.{way.replace('-', '_')}": [way.replace("-", "_") for way in deploy.WAYS],
    "engines.{name.partition('.')[2]}": [name.partition(".")[2] for name in engines.COLUMNS],
    "figure.cpu.{part}": PARTS,
    "family.{name}": [*(one.name for one in FAMILIES), *APART],
    "figure.{name}.alt": [plot.name for plot in PLOTS],
    "figure.{plot.name}.alt": [plot.name for plot in PLOTS],
    "figure.{name}.caption": [plot.name for plot in PLOTS],
    "family.{one}": [one.name for one in FAMILIES],
    "fleet_status.{host.status}": get_args(Status),
    "glossary.{term}": TERMS,
    "guests.baseline_{name}": BASELINE,
    "guests.class_{name}": (*CLASSES, "others"),
    "headline.at_most{many}": ("", "_many"),
    "headline.open_bound{many}": ("", "_many"),
    "headline.open{many}": ("", "_many"),
    "headline.{BOUNDS[finding.name]}": headlines.BOUNDS.values(),
    "headline.{COSTS[finding.name]}": headlines.COSTS.values(),
    "headline.many_{group.kind}": [kind for kind in get_args(GroupKind) if kind != "other"],
    "headline.one_{group.kind}": get_args(GroupKind),
    "headline.one_{names[0]}": NAMED,
    "history.{run.change}": ("better", "worse"),
    "isolation.{attempt.verdict}": get_args(AttemptVerdict),
    "isolation.{verdict}": get_args(AttemptVerdict),
    "kind.{known}": ("host", *(kind for kind in get_args(GroupKind) if kind != "other")),
    "limits.end.{probe.end.replace(' ', '_')}": [end.replace(" ", "_") for end in get_args(ProbeEnd)],
    "outcome.{outcome}": (*get_args(Outcome), "warmup"),
    "outcome.{group.outcome}": get_args(Outcome),
    "phase.{mark}": [mark for mark in MARKS if mark != "requested"],
    "short.{row.cpu.verdict}": get_args(Verdict),
    "short.{row.time.verdict}": get_args(Verdict),
    "short.{verdict}": get_args(Verdict),
    "vantage.{vantage}": VIEWS,
    "verdict.{comparison.verdict}": get_args(Verdict),
    "verdict.{found.verdict}": get_args(Verdict),
    "verdict.{given}": get_args(Verdict),
    "verdict.{verdict}": get_args(Verdict),
    "problem.{p.kind}": get_args(ProblemKind),
    "term.{term}": TERMS,
    "what.{label}": WHAT,
    "weight.{name}": ("cpu", "wall"),
    "why.{reason}": REASONS,
    "{verdict.section}.title": ("overhead", "deploy", "isolation", "startup", "crowd"),
}
"""Key as the sources have it → the values that its variable part takes."""


def test_the_sources_ask_for_the_texts_that_there_are_and_for_all_of_them() -> None:
    asked = asked_texts()
    assert asked.patterns - {"said.{said.code}"} == VALUES.keys()
    keys = set(asked.keys)
    for pattern, values in VALUES.items():
        keys.update(re.sub(r"\{.*\}", value, pattern) for value in values)
    assert len(asked.keys) > 200
    assert keys == words("en").texts.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_can_be_printed(language: Language) -> None:
    """What cannot, a no-break space included, pages show as a character that is not known."""
    texts = words(language).texts
    assert {key: text for key, text in texts.items() if not text.replace("\n", "").isprintable()} == {}


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        words("en")("page.title")


@pytest.mark.parametrize("language", LANGUAGES)
def test_heads_of_columns_are_explained_by_terms_of_the_glossary(language: Language) -> None:
    assert set(HEADS.values()) <= set(TERMS)
    assert HEADS.keys() <= words(language).texts.keys()
    assert all("{" not in words(language).texts[key] for key in HEADS), (
        "a head with a value would not be found"
    )


KINDS_OF_TRIALS = ("failed", "timeout", "invalid", "skipped", "warm-up")
SAID_VALUES: dict[str, Iterable[str]] = {
    "failures.{self.what.replace(' ', '_')}": ("failed_openings", "failures"),
    "noun.{cost.unit}": ("block", "invocation"),
    "noun.{noun}": (
        "block",
        "invocation",
        "line",
        "package",
        "trial",
        "run",
        "row",
        "series",
        "thread",
        "cold start",
        "benchmark",
        "definition",
        "workload",
        "process",
        "mount",
        "cgroup",
        "net namespace",
        "host",
        *(f"{kind} trial" for kind in KINDS_OF_TRIALS),
    ),
    "symptom.drift_{side}": ("base", "subject"),
    "symptom.modes_{side}": ("base", "subject"),
}
"""Code as the sources have it → the values that its variable part takes."""


def test_korean_repeats_every_sentence_that_the_suite_says_with_its_values() -> None:
    said: dict[str, set[str]] = {}
    for code, names in said_sentences():
        for one in [re.sub(r"\{.*\}", value, code) for value in SAID_VALUES.get(code, [code])]:
            assert said.setdefault(one, names) == names, f"{one} is said in two ways"
    korean = {
        key.removeprefix("said."): text for key, text in words("ko").texts.items() if key.startswith("said.")
    }
    assert korean.keys() == said.keys()
    assert {code: placeholders(text) - names for code, text in korean.items() if (names := said[code])} == {
        code: set() for code, names in said.items() if names
    }


def test_values_that_korean_translates_are_in_the_sources() -> None:
    parts = (ROOT / "results", ROOT / "bench", ROOT / "runners")
    sources = "".join(path.read_text("utf-8") for part in parts for path in part.rglob("*.py"))
    values = [key.removeprefix("value.") for key in words("ko").texts if key.startswith("value.")]
    assert len(values) > 20
    assert [value for value in values if f'"{value}"' not in sources] == []


def test_errors_that_korean_translates_are_those_of_the_system() -> None:
    errors = {os.strerror(number) for number in errno.errorcode}
    with pytest.raises(msgspec.DecodeError) as cut:
        msgspec.json.decode(b"{")
    errors.add(str(cut.value))
    assert {key for key in words("ko").texts if key.startswith("system.")} <= {
        f"system.{one}" for one in errors
    }


def test_errors_are_said_so_that_other_languages_can_repeat_them() -> None:
    assert list(unsaid_errors()) == []


def test_what_commands_print_is_said_so_that_other_languages_can_repeat_it() -> None:
    assert list(unsaid_lines()) == []


def test_a_fixed_text_is_said_under_one_code() -> None:
    codes: dict[str, set[str]] = {}
    for code, text in fixed_sentences():
        codes.setdefault(text, set()).add(code)
    assert len(codes) > 100
    assert {text: found for text, found in codes.items() if len(found) > 1} == {}


def test_every_value_of_an_english_sentence_is_given() -> None:
    lacking = {
        code: placeholders(text) - names for code, text, names in templates() if placeholders(text) - names
    }
    assert len(list(templates())) > 250
    assert lacking == {}


def test_conditions_in_words_have_korean_ones() -> None:
    found = list(recorded_conditions())
    korean = words("ko")
    spoken = [text for _, text in found if korean.has(f"value.{text}")]
    assert len(spoken) > 20
    in_words = re.compile("[a-z]{2,}[',]? [a-z]{2,}")
    assert [one for one in found if in_words.search(one[1]) and not korean.has(f"value.{one[1]}")] == []
