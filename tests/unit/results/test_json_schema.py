"""Schemas are the same by every version of Python."""

import msgspec

from tare.results.json_schema import schema_of


class Thing(msgspec.Struct):
    """First line.

    Second line, indented in the source.
    """

    size: int = 0


def test_indentation_of_the_source_is_no_part_of_a_description():
    made = schema_of(Thing)
    assert made["$defs"]["Thing"]["description"] == "First line.\n\nSecond line, indented in the source."
    assert made["$defs"]["Thing"]["properties"] == {"size": {"type": "integer", "default": 0}}
