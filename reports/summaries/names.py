"""Name cases and runners as readers of a report see them, where the record's names say too little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.record import BASE, CONTROL

if TYPE_CHECKING:
    from tare.reports.summaries.cases import CaseKey
    from tare.reports.text.words import Words

NULL = "null"
"""The workload that runs nothing: what it measures is the start-up of a place."""


def spoken_case(case: CaseKey, words: Words) -> str:
    """Name a case in a sentence: ``start-up`` for the workload ``null``, its label for any other."""
    return case._replace(workload=words("name.startup")).label if case.workload == NULL else case.label


def case_name(case: CaseKey, words: Words) -> str:
    """Name a case in a table or figure: ``start-up (null)``, so that sentences and ``-k`` can both be followed."""
    return titled(case.workload, case.label, words)


def titled(workload: str, title: str, words: Words) -> str:
    """Name a case as :func:`case_name` does by its title: the workload's name, with parameters behind it or not."""
    if workload != NULL:
        return title
    return words("name.startup_case", parameters=title.removeprefix(NULL), workload=NULL)


def runner_name(label: str, words: Words) -> str:
    """Name a runner: ``bare (again)`` for the base's second measurement, its label for any other."""
    return words("name.again", base=BASE) if label == CONTROL else label
