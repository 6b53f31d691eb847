import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.bench.request.keyword import compile_keyword
from tare.runners.errors import UsageError


@pytest.mark.parametrize(
    ("expression", "names", "expected"),
    [
        ("", ["null", "startup"], True),
        ("startup", ["null", "startup"], True),
        ("startup or cpu", ["cpu-all", "cpu"], True),
        ("startup or cpu", ["fork", "kernel"], False),
        ("not startup", ["null", "startup"], False),
        ("disk and not fsync", ["disk-fsync", "disk"], False),
        ("disk and not fsync", ["disk-rand", "disk"], True),
        ("(cpu or disk) and not (all or seq)", ["cpu-all", "cpu"], False),
        ("CPU", ["cpu"], True),
    ],
)
def test_names_are_matched_as_in_pytest(expression, names, expected):
    assert compile_keyword(expression)(names) is expected


@pytest.mark.parametrize("expression", ["cpu or", "(cpu", "cpu)", "and", "cpu disk", "cpu & disk", "not"])
def test_what_cannot_be_read_is_a_usage_error_that_shows_the_expression(expression):
    with pytest.raises(UsageError, match="-k"):
        compile_keyword(expression)


@given(st.text(max_size=40))
def test_any_text_is_either_a_predicate_or_a_usage_error(text):
    with contextlib.suppress(UsageError):
        compile_keyword(text)(["cpu", "startup"])
