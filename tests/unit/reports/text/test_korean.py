"""A particle follows the sound of what a placeholder was filled with."""

from __future__ import annotations

import re

import pytest

from tare.reports.text.korean import spelt
from tare.reports.text.words import words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("실행은(는)", "실행은"),
        ("초을(를)", "초를"),
        ("블록이(가)", "블록이"),
        ("게스트와(과) 호스트", "게스트와 호스트"),
        ("서울(으)로", "서울로"),
        ("밖(으)로", "밖으로"),
        ("bare을(를)", "bare를"),
        ("namespaces이(가)", "namespaces가"),
        ("runc은(는)", "runc는"),
        ("podman은(는)", "podman은"),
        ("qemu-microvm(tcg)을(를)", "qemu-microvm(tcg)을"),
        ("KVM이(가)", "KVM이"),
        ("TCG은(는)", "TCG는"),
        ("1 GiB을(를)", "1 GiB를"),
        ("4.2 ms이(가)", "4.2 ms가"),
        ("16 %이(가)", "16%가"),
        ("3.8×이(가)", "3.8×가"),
        ("코드 1(으)로", "코드 1로"),
        ("코드 3(으)로", "코드 3으로"),
        ("코드 126(으)로", "코드 126으로"),
        ("시그널 9(SIGKILL)(으)로", "시그널 9(SIGKILL)로"),
        ("“아래”을(를)", "“아래”를"),
        ("“격리 사다리”을(를)", "“격리 사다리”를"),
        ("vmlinux.module을(를)", "vmlinux.module을"),
        ("deadbeef3…이(가)", "deadbeef3…이"),
        ("/tmp/snapshot을(를)", "/tmp/snapshot을(를)"),
        ("없음(loop)", "없음(loop)"),
        ("비용 4.1×(4.0–4.2)", "비용 4.1× (4.0–4.2)"),
        ("+75 %(+64 % ~ +84 %)", "+75% (+64% ~ +84%)"),
        ("awk 2(3)", "awk 2(3)"),
        ("16 % 증가(1.14–1.16)", "16% 증가(1.14–1.16)"),
    ],
)
def test_a_particle_fits_the_sound_before_it(text: str, told: str) -> None:
    assert spelt(text) == told


BARE = re.compile(r"\{[^}]*\}[^가-힣 ,.()]*(은|는|이|가|을|를|과|와|으로|로)(?![가-힣(])")
IN_BRACKETS = re.compile(r"\([^()]*\{[^()]*\)")


def test_catalogues_write_both_forms_after_a_placeholder() -> None:
    korean = {key: IN_BRACKETS.sub("", text) for key, text in words("ko").texts.items()}
    assert {key: text for key, text in korean.items() if BARE.search(text)} == {}


def test_texts_are_fitted_when_they_are_filled_in() -> None:
    assert words("ko")("method.floor", base="podman").startswith("podman은 ")
    assert words("ko")("method.floor", base="bare").startswith("bare는 ")


def test_a_ratio_is_written_with_one_sign_everywhere() -> None:
    """Numbers have it from their formatter, so sentences have it, too."""
    found = {key: text for key, text in words("ko").texts.items() if re.search(r"[\d}]배", text)}
    assert found == {}
