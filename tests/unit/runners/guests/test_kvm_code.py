"""The micro guest's bytes are what their comments say."""

import re
import shutil
import subprocess

import pytest

from tare.runners.guests.kvm import code

ALL = {**code.ROUTINES, "host arithmetic": code.HOST_ARITHMETIC, "host trips": code.HOST_TRIPS}


@pytest.mark.parametrize("name", ALL)
def test_backward_jumps_reach_the_routines_label(name):
    """The displacement is counted from the end of the jump, so the sum must be the offset of ``again``."""
    at = label = 0
    for machine_code, mnemonic in ALL[name]:
        if mnemonic.startswith("again:"):
            label = at
        at += len(machine_code)
        if machine_code[0] in {0xEB, 0x75}:  # jmp rel8, jnz rel8
            assert at + int.from_bytes(machine_code[1:2], "little", signed=True) == label


def test_page_keeps_routines_apart_and_fills_with_halts():
    page, offsets = code.page()
    assert list(offsets.values()) == [64 * index for index in range(len(code.ROUTINES))]
    for name, at in offsets.items():
        routine = code.assemble(code.ROUTINES[name])
        assert page[at : at + 64] == routine + b"\xf4" * (64 - len(routine))


@pytest.mark.skipif(
    shutil.which("objdump") is None, reason="objdump is not installed (apt-get install binutils)"
)
def test_disassembler_reads_what_the_comments_say(tmp_path):
    for name, lines in ALL.items():
        file = tmp_path / "code"
        file.write_bytes(code.assemble(lines))
        text = subprocess.run(
            ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", file],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        found = [line.split("\t")[2].split()[0] for line in text.splitlines() if len(line.split("\t")) == 3]
        said = [
            re.sub(r"^(again|end): ", "", mnemonic).split()[0].replace("jnz", "jne") for _, mnemonic in lines
        ]
        assert found == said, name
