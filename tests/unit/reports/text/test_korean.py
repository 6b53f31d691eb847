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
        ("/tmp/snapshot을(를)", "/tmp/snapshot을"),
        ("/tmp/bits와(과)", "/tmp/bits와"),
        ("/var/loop을(를)", "/var/loop을(를)"),
        ("cgroup이(가)", "cgroup이"),
        ("chroot을(를)", "chroot를"),
        ("GRUB은(는)", "GRUB은"),
        ("kubectl을(를)", "kubectl을"),
        ("index.html(으)로", "index.html로"),
        ("bare.png은(는)", "bare.png는"),
        ("trials.jsonl이(가)", "trials.jsonl이"),
        ("d8mzn와(과) d8mz와(과)", "d8mzn과 d8mz와"),
        ("6m을(를)", "6m을"),
        ("check이(가) stack이(가)", "check가 stack이"),
        ("1,024이(가)", "1,024가"),
        ("10(으)로", "10으로"),
        ("2.0와(과) 2.8와(과)", "2.0과 2.8과"),
        ("'box'와(과)", "'box'와"),
        ("시행 1,024개", "시행 1,024회"),
        ("실패한 시행 3개", "실패한 시행 3회"),
        ("호스트 2개", "호스트 2대"),
        ("블록 3개", "블록 3개"),
        ("실행 3개 중 1개", "실행 3개 중 1개"),
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


PAIR = re.compile(r"([가-힣]{1,2})\(([가-힣]{1,2})\)(?=[ ,.]|$)|\((으|이)\)[가-힣]+")
PARTICLES = "은는이가을를와과으로라랑나야"


def test_catalogues_write_pairs_of_particles_in_one_order_only() -> None:
    """A pair in another order, such as ``과(와)``, is fitted by no rule and would be shown as it is."""
    known = {"은(는)", "이(가)", "을(를)", "와(과)", "(으)로"}
    found = {
        match[0]
        for text in words("ko").texts.values()
        for match in PAIR.finditer(text)
        if set(match[0]) <= {*PARTICLES, "(", ")"}
    }
    assert found == known
    assert PAIR.search("{host}과(와) 연결")


COPULA = re.compile(r"\{[^{}]*\}[’”'\"`)]*(이라[는고]|이었|이었던|이랑|이나|이여)")


def test_no_ending_that_needs_to_fit_follows_a_placeholder() -> None:
    """``라는`` and ``이라는`` fit different sounds, and no rule chooses: the sentence is built another way."""
    assert {key: text for key, text in words("ko").texts.items() if COPULA.search(text)} == {}
    assert COPULA.search("{name!r}이라는 실행")


def test_texts_are_fitted_when_they_are_filled_in() -> None:
    assert words("ko")("method.floor", base="podman").startswith("podman은 ")
    assert words("ko")("method.floor", base="bare").startswith("bare는 ")


def test_a_ratio_is_written_with_one_sign_everywhere() -> None:
    """Numbers have it from their formatter, so sentences have it, too."""
    found = {key: text for key, text in words("ko").texts.items() if re.search(r"[\d}]배", text)}
    assert found == {}
