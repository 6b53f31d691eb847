"""Give a run's answer as JSON: what its report says, with the numbers behind its tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from tare.bench.analysis.conclusion import failures_json
from tare.bench.analysis.gate_report import answers_json
from tare.bench.analysis.listing import class_of, count_verdicts, head_json
from tare.reports.content.nodes import Headline
from tare.reports.content.page import Page
from tare.reports.content.sections import SHORTEST, sections
from tare.reports.summaries.failures import failure_groups
from tare.reports.summaries.run import Summary, plain_names
from tare.reports.text.words import words
from tare.results.judgement.answers import pair_answers
from tare.results.stores.model import head_of

if TYPE_CHECKING:
    from tare.reports.model import Language, ReportInput


def as_json(given: ReportInput, language: Language = "en") -> dict[str, object]:
    """Return the head of the run, its headline, all answers and comparisons, and its failures, in JSON's types."""
    about = given.manifest
    page = Page(Summary(plain_names(given)), words(language))
    nodes = [node for part in sections(page, SHORTEST) for node in part.body]
    return {
        **head_json(head_of(about, class_of(about))),
        "headline": [text for node in nodes if isinstance(node, Headline) for text in node.sentences],
        "verdicts": msgspec.to_builtins(count_verdicts(given.comparisons)),
        "outcomes": dict(Counter(trial.outcome for trial in given.trials)),
        "answers": [answers_json(row) for row in pair_answers(given.comparisons)],
        # JSON knows no NaN, which is what a comparison without a ratio has.
        "comparisons": msgspec.json.decode(msgspec.json.encode(given.comparisons)),
        "failures": failures_json(failure_groups(given.trials)),
        "problems": [msgspec.to_builtins(problem) for problem in given.problems],
    }
