"""Spell Korean sentences whose placeholders are filled in.

Catalogues write ``은(는)``, a page shows the particle that fits the sound before it, ``은`` or ``는``. Where a foreign
word's spelling does not tell its sound, both forms stay, as is usual in Korean text. A percentage stands without a blank.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from re import Match

_PAIRS = {
    "은(는)": ("은", "는"),
    "이(가)": ("이", "가"),
    "을(를)": ("을", "를"),
    "와(과)": ("과", "와"),
    "(으)로": ("으로", "로"),
}
"""What catalogues write → after a consonant, after a vowel."""

_PLACE = re.compile(
    r"(?P<word>[가-힣]|[A-Za-z]+|\d|[%×])(?P<between>(?:\([^()]*\)|[’”'\"`)\]…])*)"
    rf"(?P<pair>{'|'.join(map(re.escape, _PAIRS))})"
)
"""A word, brackets and quotation marks behind it, and a pair. What stands in brackets is not heard."""

_FIRST, _FINALS, _RIEUL = ord("가"), 28, 8
_NONE, _CONSONANT, _LIQUID = "", "consonant", "ㄹ"

_DIGITS = dict.fromkeys("036", _CONSONANT) | dict.fromkeys("178", _LIQUID) | dict.fromkeys("2459", _NONE)
"""영 삼 육, 일 칠 팔, 이 사 오 구; 십, 백, 천 end in consonants as 영 does."""

_SPELT = {"L": _LIQUID, "R": _LIQUID, "M": _CONSONANT, "N": _CONSONANT}
"""Letters whose names (엘, 알, 엠, 엔) end in a consonant."""

_HEARD = {
    **dict.fromkeys(("B", "KiB", "MiB", "GiB", "TiB", "s", "ms", "ns", "h", "Hz", "GHz"), _NONE),
    "m": _CONSONANT,
    **dict.fromkeys(("boot", "chroot", "root"), _NONE),
    **dict.fromkeys(("GRUB", "app", "cgroup", "commit", "git", "group", "unit"), _CONSONANT),
}
"""Words that are not heard as they are spelt: units are read as 바이트, 초 and 분; 루트, 그럽, 그룹, 깃."""

_VOWEL = re.compile("[aeiouy]")

_ENDINGS = (
    (re.compile(r"(?:me|ne|m|n|ng|[^e]ck|[ae]p|[^o]up|et|[^o]ot|out)$"), _CONSONANT),
    (re.compile(r"(?:[aeiouy]le|l|[bdfgkpt]le)$"), _LIQUID),
    (re.compile(r"(?:[aeiouy]|[sxzfvcdhrwjq]|[^aeioup]p|[^aeiou][kt]|[^n]g)$"), _NONE),
)
"""End of a foreign word's spelling → that of its sound, as it is borrowed: 타임, 그룹, 파일, 호스트. No other is certain."""

_COUNTED = {"시행": "회", "콜드 스타트": "회", "실행": "회", "호스트": "대"}
"""Noun → what it is counted by; all others by 개."""

_COUNT = re.compile(rf"(?P<noun>(?:.* )?(?P<last>{'|'.join(_COUNTED)})) (?P<n>[\d,]+)개")
"""A noun with its number, as :func:`tare.results.statistics.phrases.count` says it."""


_PERCENT = re.compile(r"(?<=\d) (?=%)")
_BOUNDS = re.compile(r"(?<=[\d×%])(?=\([\d+−][^()]*[–~][^()]*\))")
"""Place between a number and the bounds in brackets behind it."""


def spelt(text: str) -> str:
    """Put the fitting particle in the place of each pair, percentages together, and count nouns by their own counters.

    A pair whose word does not tell stays.
    """
    text = together(text)
    if count := _COUNT.fullmatch(text):
        return f"{count['noun']} {count['n']}{_COUNTED[count['last']]}"
    return _PLACE.sub(_fit, text) if ")" in text else text


def together(text: str) -> str:
    """Put the sign of a percentage beside its number, without a blank, and bounds in brackets a blank behind theirs."""
    text = _PERCENT.sub("", text) if " %" in text else text
    return _BOUNDS.sub(" ", text) if "(" in text else text


def _fit(match: Match[str]) -> str:
    end = _end(match["word"])
    if end is None:
        return match[0]
    closed, opened = _PAIRS[match["pair"]]
    after_vowel = end == _NONE or (end == _LIQUID and closed == "으로")
    return f"{match['word']}{match['between']}{opened if after_vowel else closed}"


def _end(word: str) -> str | None:
    """Tell what sound a word ends in; ``None`` if its spelling does not tell."""
    if "가" <= word <= "힣":
        final = (ord(word) - _FIRST) % _FINALS
        return _LIQUID if final == _RIEUL else _CONSONANT if final else _NONE
    if word in _DIGITS:
        return _DIGITS[word]
    if word in _HEARD or not word.isalpha():
        return _HEARD.get(word, _NONE)
    if word.isupper() or not _VOWEL.search(word.lower()):
        return _SPELT.get(word[-1].upper(), _NONE)
    return next((end for pattern, end in _ENDINGS if pattern.search(word.lower())), None)
