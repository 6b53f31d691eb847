"""The Korean catalogue has one word for one thing: no variant of a fixed term comes back unnoticed."""

from __future__ import annotations

import re

import pytest

from tare.reports.text.repeated import repeat
from tare.reports.text.words import helps, words
from tare.results.said import listed, say

FIXED = {
    "term.floor": "노이즈 플로어",
    "term.threshold": "임계값",
    "term.place": "실행 환경",
    "verdict.worse": "비용 증가",
    "verdict.better": "비용 감소",
    "overhead.threshold": "±{threshold} 이상이면 의미 있는 차이로 봄",
    "cpu.title": "CPU 시간은 어디에 쓰였나",
    "deploy.deliver": "전송",
    "crowd.attendants": "shim과 클라이언트",
    "crowd.daemons_idle": "데몬, 유휴",
    "isolation.confined": "격리됨",
    "figure.coldstarts.spread": "분포",
    "weight.title": "측정 도구 자체의 부하",
}
"""Key → the term that users were promised."""

INSTEAD = {
    "베어 메탈": "베어메탈",
    "시스템 호출": "시스템 ?콜",
    "문맥 교환": "(문맥|컨텍스트) ?(전환|스위치|스위칭)",
    "쿠버네티스": "Kubernetes",
    "투명 거대 페이지": "투명한 거대 페이지|거대페이지",
    "스크래치 디스크": "임시 디스크|스크래치디스크",
    "정규식": "정규 ?표현식",
    "거짓 경보": "잘못된 경보",
    "첫 명령어": "첫 명령(?!어)",
    "exit": "빠져나[갈간가]",
    "빼앗긴 CPU 시간(steal)": r"steal\(",
    "노이즈 플로어": "(노이즈|잡음) ?(바닥|하한|층|수준)|잡음",
    "임계값": "임계치|문턱값|한계값",
    "기준선": "베이스라인|기준치",
    "실행 환경": "플레이스|실행환경|(?<!저)장소",
    "유휴": "아이들 |휴면 상태|놀고 있는",
    "격리됨": "갇힌|갇힘|가둔",
    "분포": "산포|퍼짐|스프레드",
    "비용 증가, 비용 감소": "더 비쌈|더 쌈|비용이 (많음|적음)",
    "측정 도구 자체의 부하": "측정 오버헤드|하니스",
    "전송한 바이트": "옮긴 바이트|배송|전개",
    "신뢰 구간": "신뢰구간",
    "컨테이너": "콘테이너",
    "워밍업": "웜업|예열",
    "shim": "(?<![가-힣])심(이|을|은|과) ",
    "보세요, 하세요": "보십시오|하십시오",
}
"""Term → variants that mean the same and are not written, as an expression."""

DEPLOYING = "배포"
"""Sending a version is 전송; a distribution of Linux is 배포판, and the note's own sentences keep their words."""


def test_fixed_terms_are_written_as_promised() -> None:
    texts = words("ko").texts
    assert {key: texts[key] for key in FIXED} == FIXED


@pytest.mark.parametrize("term", INSTEAD)
def test_no_variant_of_a_term_is_written(term: str) -> None:
    ours = {key: text for key, text in words("ko").texts.items() if not key.startswith("claim.")} | helps(
        "ko"
    )
    assert {key: text for key, text in ours.items() if re.search(INSTEAD[term], text)} == {}, f"write {term}"


def test_deploying_is_sending() -> None:
    ours = {key: text for key, text in words("ko").texts.items() if not key.startswith("claim.")}
    assert {key for key, text in ours.items() if re.search(f"{DEPLOYING}(?!판)", text)} == set()


def test_seconds_in_a_sentence_are_written_in_korean() -> None:
    """Units stand behind numbers in tables; within a sentence, ``3 s 안에`` is read by nobody."""
    assert {
        key: text for key, text in words("ko").texts.items() if re.search(r"\} s(?=[ ,가-힣])", text)
    } == {}


def test_no_semicolon_stands_between_korean_clauses() -> None:
    texts = {key: re.sub(r"\{[^{}]*\}", "", text) for key, text in words("ko").texts.items()}
    assert {key: text for key, text in texts.items() if re.search("[가-힣)%×]; ?[가-힣]", text)} == {}


def test_texts_in_a_row_are_separated_as_the_language_does() -> None:
    assert words("en").row(["one", "two"]) == "one; two"
    assert words("ko").row(["하나", "둘"]) == "하나 · 둘"
    found, advice = say("kvm.failed", "KVM failed"), say("remedy.run_root", "run as root")
    assert repeat(listed([found, found]), words("ko")) == "KVM이 실패함 · KVM이 실패함"
    assert repeat(listed([found, advice]), words("ko")) == "KVM이 실패함. root로 실행하세요"
