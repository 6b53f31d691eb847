"""Test that whatever is wrong with a definition is said in plain words: none of Python's, and none of msgspec's."""

import re
import tomllib

import msgspec
import pytest

from tare.bench.own.checking import Problem, check
from tare.bench.own.definition import Definition, OwnServer, Ready
from tare.bench.own.wording import in_our_words
from tare.bench.workloads.output_metrics import MetricRule

VALUES = {
    "number": "7", "negative": "-1", "huge": "99999999999999999999999999", "fraction": "1.5", "nan": "nan", "inf": "inf",
    "empty": "''", "text": "'some text'", "long": f"'{'x' * 500}'", "true": "true", "date": "1979-05-27", "time": "07:32:00",
    "moment": "1979-05-27T07:32:00Z", "none": "[]", "list": "['a', 1]", "many": str(list(range(150))), "lists": "[[1]]",
    "table": "{}", "numbers in a table": "{a = 1}", "empty in a table": "{a = []}", "tables in a table": "{a = {}}",
}  # fmt: skip
"""What somebody may write for any key."""

THEIRS = re.compile(
    r"`|Expected|[<>]=?|\\|\\$\\.|\b(?:str|int|float|bool|array|object|datetime|null|NoneType|msgspec|regex \')\b"
)


def keys(struct, above=""):
    for field in msgspec.structs.fields(struct):
        yield f"{above}{field.encode_name}"


KEYS = (
    *keys(Definition),
    *keys(OwnServer, "server."),
    *keys(Ready, "server.ready."),
    *keys(MetricRule, "metrics.m."),
)


@pytest.mark.parametrize("key", KEYS)
def test_every_wrong_value_of_every_key_is_said_in_plain_words(key):
    found = 0
    for value in VALUES.values():
        lines = [f"{key} = {value}"]
        lines += ["command = 'x'"] * (key != "command")
        lines += ["server.command = 'x'"] * (key.startswith("server.") and key != "server.command")
        lines += ["metrics.m.json = 'a'"] * (key.startswith("metrics.m.") and key != "metrics.m.json")
        one = check("mine", tomllib.loads("\n".join(lines)))
        if isinstance(one, Problem):
            found += 1
            assert not THEIRS.search(one.text.replace(repr(str(value)), "")), one.text
            assert one.text.endswith((".", "?"))
    assert found > 4


def test_what_was_never_said_before_stays():
    assert in_our_words("Something new") == "Something new"


@pytest.mark.parametrize(
    ("text", "keys", "said"),
    [
        ("parameters = {n = []}", "parameters.n", "the list is empty, and needs a value."),
        ('parameters = {n = ["a\\u0000"]}', "parameters.n", "a value cannot have the character 0 in it."),
        ("parameters = {n = [{}]}", "parameters.n", "expected a number, text, true or false, got a table."),
        ("environment = {A = 1}", "environment.A", "expected text, got a whole number."),
        ("timeout = nan", "timeout", "expected a number above 0."),
        ("family = 'a b'", "family", "a name begins with a letter and has up to 64 letters, digits, _ . + -."),
        ("carry = ['']", "carry", "an empty text names no file."),
        ("prepare = ['']", "prepare", "the command is empty."),
        ("server = 1", "server", "expected a table, got a whole number."),
    ],
)  # fmt: skip
def test_what_is_said_and_where(text, keys, said):
    one = check("mine", tomllib.loads(f"command = 'x {{n}}'\n{text}"))
    assert isinstance(one, Problem)
    assert (".".join(one.keys[2:]), one.text) == (keys, said)
