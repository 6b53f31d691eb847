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


KNOWN = [
    "cpu",
    "cpu-all",
    "python",
    "deploy-python",
    "deploy",
    "scale-1",
    "scale-16",
    "scaling",
    "null",
    "startup",
]


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("python", {"python"}),
        ("Python", {"python"}),
        ("pyth", {"python", "deploy-python"}),
        ("deploy", {"deploy-python"}),
        ("scale-1", {"scale-1"}),
        ("scale", {"scale-1", "scale-16"}),
        ("cpu", {"cpu", "cpu-all"}),
        ("startup or scale-16", {"null", "scale-16"}),
        ("deploy and not python", {"deploy-python"}),
    ],
)
def test_a_whole_name_selects_just_that_workload_or_family(expression, chosen):
    families = {
        "cpu-all": "cpu",
        "deploy-python": "deploy",
        "scale-1": "scaling",
        "scale-16": "scaling",
        "null": "startup",
    }
    workloads = [name for name in KNOWN if name not in {"deploy", "scaling", "startup"}]
    match = compile_keyword(expression, KNOWN)
    assert {name for name in workloads if match((name, families.get(name, name)))} == chosen


@pytest.mark.parametrize("expression", ["pyton", "cpu or pyton", "not pyton"])
def test_a_word_that_is_in_no_name_is_a_usage_error_with_a_suggestion(expression):
    with pytest.raises(UsageError, match=r"'pyton'.*did you mean python\?"):
        compile_keyword(expression, KNOWN)


def test_names_with_commas_between_them_are_what_or_is_for():
    with pytest.raises(UsageError, match=r"did you mean 'cpu or Python'\?"):
        compile_keyword("cpu,Python", KNOWN)


@given(st.text(max_size=40))
def test_any_text_is_either_a_predicate_or_a_usage_error(text):
    with contextlib.suppress(UsageError):
        compile_keyword(text)(["cpu", "startup"])


@pytest.mark.parametrize(
    "expression",
    ["(" * 10_000, "(" * 10_000 + "cpu" + ")" * 10_000, "cpu " * 50_000, "\0" * 10_000, "(cpu" + " (" * 100],
)
def test_an_expression_of_any_depth_and_length_is_refused_in_a_short_sentence(expression):
    with pytest.raises(UsageError, match="-k") as told:
        compile_keyword(expression)
    assert len(str(told.value)) < 2000


def test_long_chains_are_no_nesting():
    assert compile_keyword(" or ".join(["disk"] * 5_000 + ["cpu"]))(["cpu"])
    assert not compile_keyword(" and ".join(["cpu"] * 5_000 + ["disk"]))(["cpu"])
    assert compile_keyword("not " * 5_000 + "cpu")(["cpu"])
    assert compile_keyword("(" * 50 + "cpu" + ")" * 50)(["cpu"])
