from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tare.runners.guests.qemu.variants import VARIANTS, WORDS, BadVariant, parse
from tare.runners.guests.variant import GuestVariant


def test_every_word_is_a_field_and_the_other_way_round():
    assert list(WORDS) == [field.name for field in fields(GuestVariant)]


def test_nothing_said_is_the_profile_as_it_is():
    assert parse("") == GuestVariant()
    assert GuestVariant().name == ""


def test_order_does_not_matter_and_the_name_is_always_the_same():
    assert (
        VARIANTS.spelled("net=user+pin+cpus=2")
        == VARIANTS.spelled("cpus=2+net=user+pin")
        == "cpus=2+pin+net=user"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pinned", "no 'pinned'; did you mean pin?"),
        ("pin+pin", "given twice"),
        ("pin=yes", "stands alone"),
        ("cache", "needs a value: cache=none|writethrough"),
        ("cache=unsafe", "It is cache=none|writethrough"),
        ("cpus=0", "from 1 to 64"),
        ("cpus=two", "from 1 to 64"),
        ("aio=native", "needs cache=none"),
        ("pin+", "''"),
        ("pin,cpus=2", "'pin,cpus'"),
    ],
)
def test_what_is_wrong_is_said(text, why):
    assert why in VARIANTS.problem("qemu-q35", text)
    with pytest.raises(BadVariant):
        parse(text)


WORD = st.sampled_from(
    [f"{name}={value}" if value else name for name, allowed in WORDS.items() for value in allowed or ("",)]
).map(lambda word: word.replace("=N", "=3"))


@given(st.lists(WORD, unique_by=lambda word: word.partition("=")[0]))
def test_a_name_read_again_is_the_same_variant(words):
    text = "+".join(words)
    if not VARIANTS.problem("qemu-q35", text):
        assert parse(VARIANTS.spelled(text)) == parse(text)
        assert set(VARIANTS.spelled(text).split("+")) == set(text.split("+"))


@given(st.text())
def test_any_text_is_read_or_refused(text):
    VARIANTS.problem("qemu-q35", text)
