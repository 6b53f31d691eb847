"""Read numbers out of what a program prints, by rules that its user gives: a regular expression or a path into JSON."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from tare.bench.workloads.base import ParseError
from tare.results.record import Direction, Metric
from tare.results.said import say, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.runners.model import JobResult


class NoNumberError(ParseError):
    """Output in which a user's rule finds no number."""

    remedy = say("remedy.metric", "run the command by hand and correct the metric")


METRIC_NAME = r"[A-Za-z][\w-]{0,39}"
"""Pattern of the names of such metrics. The suite's own ones have dots, so they are never confused."""


class MetricRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One metric out of a program's output."""

    regex: Annotated[
        str,
        msgspec.Meta(
            description="Regular expression (Python's, ^ and $ match at lines) whose first group is the number. It is searched "
            "in the standard output, and where it is not there in the standard error, and has to match once."
        ),
    ] = ""
    json: Annotated[
        str,
        msgspec.Meta(
            description="Path to the number in JSON on the standard output (all of it, or its last line): keys and numbers "
            "of list elements, joined by dots."
        ),
    ] = ""
    unit: Annotated[
        str, msgspec.Meta(description="Unit of the number, such as s, bytes, count, ops/s.", max_length=24)
    ] = "count"
    direction: Annotated[
        Direction, msgspec.Meta(description="Which way is better. none: it is recorded and not judged.")
    ] = "none"
    clock: Annotated[
        Literal["", "place-monotonic", "place-realtime"],
        msgspec.Meta(
            description="Clock of the place that the program has read the time from, for the record. place-realtime may be "
            "stepped. Empty: the number is no time, or the clock is not known."
        ),
    ] = ""
    primary: Annotated[
        bool,
        msgspec.Meta(
            description="The verdict on the workload is by this metric instead of by the command's time."
        ),
    ] = False

    def problem(self) -> str:
        """Say what is wrong with the rule; empty: nothing."""
        if bool(self.regex) == bool(self.json):
            return say("own.one_of_two", "give either regex or json")
        if self.primary and self.direction == "none":
            return say("own.no_direction", "a primary metric needs a direction, lower or higher")
        if not self.regex:
            return ""
        try:
            groups = re.compile(self.regex.encode(), re.MULTILINE).groups
        except re.error as error:
            return say(
                "own.unusable_regex",
                "the regular expression {regex!r} cannot be used: {error}",
                regex=self.regex,
                error=error,
            )
        if groups:
            return ""
        return say(
            "own.no_group", "the regular expression {regex!r} has no group, as in 'rate: ([0-9.]+)'", regex=self.regex
        )  # fmt: skip

    def read(self, workload: str, name: str, result: JobResult) -> Metric:
        """Read the metric.

        Raises:
            NoNumberError: the output does not have it, has it several times, or it is no number.
        """
        text = self._by_regex(workload, name, result) if self.regex else self._by_path(workload, name, result)
        try:
            value = float(text)
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise NoNumberError(
                workload,
                say("parse.not_number", "{name}: no number but {value}", name=name, value=shown(repr(text))),
                result.stdout or result.stderr,
            )
        return Metric(
            name=name,
            value=value,
            unit=self.unit,
            direction=self.direction,
            clock=self.clock,
            source="output",
            primary=self.primary,
        )

    def _by_regex(self, workload: str, name: str, result: JobResult) -> str:
        pattern = re.compile(self.regex.encode(), re.MULTILINE)
        for output in (result.stdout, result.stderr):
            found = [one for one in pattern.finditer(output) if one[1] is not None]
            if len(found) > 1:
                raise NoNumberError(
                    workload,
                    say(
                        "parse.matches",
                        "{name}: {found} matches of {regex!r} instead of one",
                        name=name,
                        found=len(found),
                        regex=self.regex,
                    ),
                    output,
                )
            if found:
                return found[0][1].decode("ascii", "backslashreplace").replace(",", "")
        raise NoNumberError(
            workload,
            say("parse.no_match", "{name}: no match of {regex!r}", name=name, regex=self.regex),
            result.stdout or result.stderr,
        )

    def _by_path(self, workload: str, name: str, result: JobResult) -> Any:
        at = _document(workload, name, result.stdout)
        for part in self.json.split("."):
            try:
                at = at[int(part)] if isinstance(at, list) else at[part]
            except (KeyError, IndexError, TypeError, ValueError):
                raise NoNumberError(
                    workload,
                    say("parse.nothing_at", "{name}: nothing at {json!r}", name=name, json=self.json),
                    result.stdout,
                ) from None
        return at if isinstance(at, int | float) and not isinstance(at, bool) else repr(at)


def _document(workload: str, name: str, output: bytes) -> Any:
    lines = output.strip().splitlines()
    for text in (output, lines[-1] if lines else b""):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    raise NoNumberError(workload, say("parse.no_json", "{name}: no JSON", name=name), output)


def read_metrics(
    workload: str, rules: Sequence[tuple[str, MetricRule]], result: JobResult
) -> tuple[Metric, ...]:
    """Read every metric that the rules name; raises as :meth:`MetricRule.read`."""
    return tuple(rule.read(workload, name, result) for name, rule in rules)
