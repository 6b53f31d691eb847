"""Take values out of the JSON that a program of the suite prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from tare.bench.workloads.base import ParseError
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Callable

_Taken = TypeVar("_Taken")


def from_json(workload: str, output: bytes, take: Callable[[Any], _Taken]) -> _Taken:
    """Return what ``take`` finds in the document.

    Raises:
        ParseError: the output is no JSON, or something that ``take`` looks for is missing or of another type.
    """
    try:
        return take(json.loads(output))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ParseError(
            workload,
            say("parse.no_result", "no result of the program ({name})", name=type(error).__name__),
            output,
        ) from None
