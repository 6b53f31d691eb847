"""What doctor prints in Korean has no English sentence, and its columns stand under each other."""

import re

import pytest
from msgspec.structs import replace

from tare.bench.commands import doctor
from tare.bench.commands.shared.tables import aligned
from tare.bench.progress import Lines, teller
from tare.reports.text.columns import cut, padded, right, width
from tare.results.environment import GuestFacts
from tare.results.said import joined, say
from tare.runners.errors import Missing
from tare.runners.guests.kvm.baseline import as_json, decide
from tare.runners.guests.qemu.accelerator import choose
from tare.runners.model import Probe

KOREAN = teller("ko")
ENGLISH_SENTENCE = re.compile(r"[A-Za-z]{2,}(?: [a-z]{2,}){2,}")


def kvm(**changes):
    steps = [{"step": "user_arithmetic", "seconds": 1e-9}, {"step": "kernel_arithmetic", "seconds": 9e-7}]
    steps += [{"step": "first_exit", "seconds": 1e-5}, {"step": "host_arithmetic", "seconds": 1e-9}]
    return replace(decide([*steps, {"done": True}], nested=True, architecture="x86_64"), **changes)


def probes():
    missing = Missing(
        say("fetch.not_here", "{name} is not on this host, and in no archive that tare fetches from.", name="kata"),
        say("remedy.install_on_path", "Install {name} so that it is on PATH.", name="kata"),
    )  # fmt: skip
    why = choose("auto", kvm()).why
    return {
        "bare": Probe(ok=True),
        "kata": Probe(ok=False, reason=missing.reason, remedy=missing.remedy),
        "qemu-pc(tcg)": Probe(ok=True, facts=GuestFacts(accelerator_why=why)),
        "qemu-q35(tcg)": Probe(ok=True, facts=GuestFacts(accelerator_why=why)),
    }


def printed(tell):
    condition = {"name": "battery", "ok": False, "found": say("condition.off", "off"), "advice": ""}
    found = {"kvm": as_json(kvm(oddities=("x",))), "conditions": [condition]}
    return "\n".join((*doctor._runners_as_text(probes(), tell, steps=False), *doctor._as_text(found, tell)))


def test_korean_output_has_no_english_sentence():
    text = re.sub(r"`[^`]*`", "", printed(KOREAN))
    assert ENGLISH_SENTENCE.findall(text) == []
    assert "qemu-pc(tcg)와 같은 이유" in text


def test_english_output_is_what_was_said():
    text = printed(teller("en"))
    assert "KVM emulates guest kernel mode here" in text
    assert "for the same reason as qemu-pc(tcg)" in text
    assert "remedy: Install kata so that it is on PATH." in text


@pytest.mark.parametrize("language", ["en", "ko"])
def test_progress_speaks_the_language(language, capsys):
    lines = Lines(language=language)
    lines.begin(lambda: 75.0)
    lines.say(joined("as it is.", "nobody said it"))
    told = capsys.readouterr().err
    assert ("측정 시작: 약 1:15" in told) == (language == "ko")
    assert "as it is. nobody said it" in told


def test_columns_count_wide_letters_twice():
    lines = list(aligned([["러너", "x"], ["bare", "y"]]))
    assert [width(line) for line in lines] == [7, 7]
    assert padded("긴 이름", 3) == "긴 이름"
    assert right("러너", 5) == " 러너"
    assert cut("러너 bare", 6) == "러너 b"
    assert cut("러너", 3) == "러"
