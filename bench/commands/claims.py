"""Implement ``tare claims``: judge the claims of the study note by a stored run."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

from tare.bench.commands.shared.filters import add_run_argument
from tare.bench.errors import Exit
from tare.bench.request import layers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from tare.reports.model import Language
    from tare.results.judgement.claims.model import ClaimVerdict
    from tare.results.origins import Said

_WIDTH = 100
"""Most columns of a line of running text; a narrower terminal has its own."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the run and the form of the output."""
    add_run_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, with rules and all measurements")
    layers.add_options(parser, "output")


def run(arguments: argparse.Namespace) -> int:
    """Print every claim with its verdict, or as JSON; the exit code is 0, whatever the verdicts are."""
    from tare.bench.analysis.references import own_run_folder_of  # noqa: PLC0415
    from tare.bench.analysis.report import report_input  # noqa: PLC0415 - imports pandas
    from tare.reports.summaries.run import Summary, plain_names  # noqa: PLC0415

    wanted = layers.resolve(arguments).output
    given = report_input(own_run_folder_of(arguments.reference, wanted))
    summary = Summary(plain_names(given))
    verdicts = summary.claims
    if arguments.json:
        print(json.dumps({"run": given.manifest.run, "claims": list(_records(verdicts))}, indent=2))
    else:
        print("\n".join(_lines(verdicts, wanted.language, summary.said)))
    return Exit.OK


def _records(verdicts: Sequence[ClaimVerdict]) -> Iterator[dict[str, object]]:
    """Make the JSON of each claim: the note's sentence in both languages, and all that its verdict rests on."""
    import msgspec  # noqa: PLC0415 - only here

    from tare.reports.text.words import words  # noqa: PLC0415

    for verdict in verdicts:
        sentences = {language: words(language)(f"claim.{verdict.claim}") for language in ("en", "ko")}
        # Through msgspec's JSON, which writes numbers that are not finite as null.
        found = msgspec.json.decode(msgspec.json.encode(verdict))
        found["rule"] = {"kind": type(verdict.rule).__name__, **found["rule"]}
        yield {"sentence": sentences, **found}


def _lines(verdicts: Sequence[ClaimVerdict], language: Language, said: Mapping[str, Said]) -> Iterator[str]:
    from tare.reports.content import ledger  # noqa: PLC0415
    from tare.reports.text.columns import wrapped  # noqa: PLC0415
    from tare.reports.text.korean import together  # noqa: PLC0415
    from tare.reports.text.repeated import repeat  # noqa: PLC0415
    from tare.reports.text.words import words  # noqa: PLC0415
    from tare.results.printable import printable  # noqa: PLC0415

    catalogue, original = words(language), words("ko")
    respelt = together if language == "ko" else str
    columns = min(_WIDTH, shutil.get_terminal_size().columns) if sys.stdout.isatty() else _WIDTH
    yield ledger.counted(verdicts, catalogue)
    yield ""
    for verdict in verdicts:
        told = [catalogue(f"claim.{verdict.claim}")]
        if language != "ko":
            told.append(original(f"claim.{verdict.claim}"))
        told.append(f"→ {ledger.because(verdict, catalogue)}")
        if verdict.reason.recorded:
            told.append(" ".join(repeat(text, catalogue, said) for text in verdict.reason.recorded))
        finding = ledger.telling(verdict)
        if finding is not None and finding.effect is not None:
            measured = catalogue(f"claims.measure_{finding.measure}")
            effect = ledger.effect(finding, catalogue)
            uncounted = f" ({ledger.tells(finding, catalogue)})" if finding.label else ""
            told.append(f"{ledger.where(finding, catalogue)}: {effect}, {measured}{uncounted}")
        if verdict.command:
            told.append(catalogue("claims.command", command=verdict.command))
        yield f"{verdict.claim}: {catalogue(f'claims.{verdict.outcome}')}"
        for text in told:
            yield from wrapped(printable(respelt(text)), columns, first="  ", rest="    ")
        yield ""
